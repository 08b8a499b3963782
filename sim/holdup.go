package sim

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// holdupLinesMax bounds the report on why a run has not ended: about a screen.
const holdupLinesMax = 24

// Holdup is the report on why some replicas have not finished: which replica waits for which, and the fate of the last
// message to it. One line each.
type Holdup struct {
	w     *World
	among []int
	lines []string
	left  int // lines for which there was no room.
}

// holdup is the report on why these replicas have not finished.
func (w *World) holdup(among []int) string {
	h := Holdup{w: w, among: among}
	for _, n := range among {
		h.state(&w.replicas[n])
	}
	if w.hooks.explainer != nil {
		w.hooks.explainer.Explain(&h)
	}
	for _, c := range w.callers {
		if c.busy && h.Concerns(c.node) {
			h.Say("%s", c.waits())
		}
	}
	if h.left > 0 {
		h.lines = append(h.lines, fmt.Sprintf("and %d more", h.left))
	}
	return strings.Join(h.lines, "\n  ")
}

// Among are the numbers of the replicas in question.
func (h *Holdup) Among() []int { return h.among }

// Concerns reports whether a replica is one of those in question.
func (h *Holdup) Concerns(n int) bool { return slices.Contains(h.among, n) }

// Say adds a line, as long as there is room.
func (h *Holdup) Say(format string, args ...any) {
	if len(h.lines) == holdupLinesMax {
		h.left++
		return
	}
	h.lines = append(h.lines, fmt.Sprintf(format, args...))
}

// state reports problems of a replica itself.
func (h *Holdup) state(r *Replica) {
	switch {
	case r.machine == nil:
		h.Say("%s is down", r.Name())
	case len(r.disk.Waiting) > 0:
		h.Say("%s has %d persists that are not on its disk", r.Name(), len(r.disk.Waiting))
	}
}

// Since is how long ago a monotonic time of a replica was, for people.
func (h *Holdup) Since(r *Replica, mono time.Duration) string {
	return seconds(max(h.w.now-(r.clock.Mono(h.w.now)-mono), 0))
}

// LastMessages describes the latest message in each direction.
func (h *Holdup) LastMessages(from, to int, t Transport) string {
	return h.lastMessage(from, to, t) + ", " + h.lastMessage(to, from, t)
}

func (h *Holdup) lastMessage(from, to int, t Transport) string {
	m := h.w.net.last[t][from][to]
	link := fmt.Sprintf("n%d->n%d", from, to)
	if m.number == 0 {
		return link + " nothing"
	}
	kind, _ := h.w.cluster.Describe(m.data)
	text := fmt.Sprintf("%s %s at %s %s", link, kind, seconds(m.sent), messageFateWords[m.fate])
	if m.fate == fateArrived {
		text += " at " + seconds(m.end)
	}
	return text
}
