package sim

import (
	"fmt"
	"strings"
	"time"

	"kvs/node"
	"kvs/node/swim"
)

// holdupLinesMax bounds the report on what holds up the end of a run: about a screen.
const holdupLinesMax = 24

// holdup says in full why these replicas have not come to an end: operations that wait, for whom, and what became of the last message
// to them; what is queued; paths that differ; who takes whom for dead. A line each.
func (w *world) holdup(among []int) string {
	h := holdup{w: w, among: among}
	each := func(say func(r *replica)) {
		for _, n := range among {
			if r := &w.replicas[n]; r.node != nil {
				say(r)
			}
		}
	}
	for _, n := range among {
		h.state(&w.replicas[n])
	}
	each(h.operations)
	for _, n := range among[1:] {
		h.differences(among[0], n)
	}
	each(h.members)
	each(h.queues)
	for i := range w.clients {
		if c := &w.clients[i]; c.busy && h.concerns(c.op.Node) {
			h.say("client %d waits for a %s of %q at n%d", c.number, c.op.Kind, c.op.Path, c.op.Node)
		}
	}
	if h.left > 0 {
		h.lines = append(h.lines, fmt.Sprintf("and %d more", h.left))
	}
	return strings.Join(h.lines, "\n  ")
}

type holdup struct {
	w     *world
	among []int
	lines []string
	left  int // lines for which there was no room.
}

func (h *holdup) say(format string, args ...any) {
	if len(h.lines) == holdupLinesMax {
		h.left++
		return
	}
	h.lines = append(h.lines, fmt.Sprintf(format, args...))
}

func (h *holdup) concerns(n int) bool {
	for _, k := range h.among {
		if k == n {
			return true
		}
	}
	return false
}

// name of a member: the number of its replica, or else its identity.
func (h *holdup) name(id node.ID) (string, int) {
	for n := 1; n <= h.w.nodes; n++ {
		if h.w.replicas[n].id == id {
			return nodeName(n), n
		}
	}
	return id.String() + " (an identity that is gone)", 0
}

// state says what is wrong with a replica itself.
func (h *holdup) state(r *replica) {
	name := nodeName(r.number)
	if r.node == nil {
		h.say("%s is down", name)
		return
	}
	if s := r.node.Status(); s.Mode != node.ModeNormal {
		h.say("%s is %s: %s", name, s.Mode, strings.Join(s.ModeReasons, ", "))
	}
	if len(r.disk.waiting) > 0 {
		h.say("%s has %d persists that are not on its disk", name, len(r.disk.waiting))
	}
}

func (h *holdup) operations(r *replica) {
	for _, o := range r.node.OpenOperations() {
		h.operation(r, &o)
	}
}

// members says whom a replica should know as alive and does not, and the other way round.
func (h *holdup) members(r *replica) {
	name, s := nodeName(r.number), r.node.Status()
	known := map[int]bool{}
	for i, m := range s.Members {
		other, number := h.name(m.ID)
		known[number] = true
		present := m.State == swim.Alive || m.State == swim.Suspect
		if h.concerns(number) && m.State != swim.Alive || number == 0 && present {
			told := ""
			if number > 0 {
				told = " (" + h.lastMessages(number, r.number, node.TransportDatagram) + ")"
			}
			h.say("%s sees %s %s since %s%s", name, other, m.State, h.since(r, s.Since[i]), told)
		}
	}
	for _, n := range h.among {
		if !known[n] {
			h.say("%s does not know n%d (%s)", name, n, h.lastMessages(n, r.number, node.TransportDatagram))
		}
	}
}

// since turns a replica's monotonic time into that of the world.
func (h *holdup) since(r *replica, mono time.Duration) string {
	return seconds(max(h.w.now-(r.clock.mono(h.w.now)-mono), 0))
}

func (h *holdup) operation(r *replica, o *node.OpenOperation) {
	var waits []string
	if o.Disk {
		waits = append(waits, "its own disk")
	}
	for _, id := range o.Members {
		other, number := h.name(id)
		if number > 0 {
			other += " (" + h.lastMessages(r.number, number, node.TransportFrame) + ")"
		}
		waits = append(waits, other)
	}
	who := ""
	if o.Request == 0 {
		who = " of its own"
	}
	since := ""
	if o.Since > 0 {
		since = " since " + h.since(r, o.Since)
	}
	text := fmt.Sprintf("n%d: a %s %s%s of %q waits for %s%s", r.number, o.Level, o.Op, who, o.Path, o.Waits, since)
	if len(waits) > 0 {
		text += ": " + strings.Join(waits, "; ")
	}
	h.say("%s", text)
}

// queues says what is queued for members that should have it by now.
func (h *holdup) queues(r *replica) {
	for _, p := range r.node.Status().Peers {
		if name, number := h.name(p.ID); p.QueueEntries > 0 && h.concerns(number) {
			h.say("n%d has %d records queued for %s (%s)", r.number, p.QueueEntries, name, h.lastMessages(r.number, number, node.TransportFrame))
		}
	}
}

// lastMessages tells the latest message there and the latest one back.
func (h *holdup) lastMessages(from, to int, t node.Transport) string {
	return h.lastMessage(from, to, t) + ", " + h.lastMessage(to, from, t)
}

func (h *holdup) lastMessage(from, to int, t node.Transport) string {
	m := h.w.net.last[t][from][to]
	link := fmt.Sprintf("n%d->n%d", from, to)
	if m.number == 0 {
		return link + " nothing"
	}
	text := fmt.Sprintf("%s %s at %s %s", link, messageKind([]byte{0, m.kind}), seconds(m.sent), messageFateWords[m.fate])
	if m.fate == fateArrived {
		text += " at " + seconds(m.end)
	}
	return text
}

// differences names the first paths that two replicas do not hold alike.
func (h *holdup) differences(a, b int) {
	if h.w.digest(a) == h.w.digest(b) {
		return
	}
	const pathsMax = 3
	first, second := h.common(a), h.common(b)
	count := 0
	eachPath(first, second, func(path string) {
		x, y := (&NodeEvidence{Records: first}).find(path), (&NodeEvidence{Records: second}).find(path)
		if string(x.Value) == string(y.Value) {
			return
		}
		if count++; count <= pathsMax {
			h.say("%q differs: n%d holds %s, n%d holds %s; %s", path, a, h.held(a, path), b, h.held(b, path), h.lastMessages(a, b, node.TransportFrame))
		}
	})
	if count > pathsMax {
		h.say("n%d and n%d differ at %d paths", a, b, count)
	}
}

// common lists what a replica should have in common with the others, by path: the bytes stand in for the record.
func (h *holdup) common(n int) (out []PathRecord) {
	_ = h.w.replicas[n].disk.store.Scan(recordPrefix, "", func(key string, value []byte) bool {
		path, _ := cutRecordPrefix(key)
		if b := node.Common(path, value); len(b) > 0 {
			out = append(out, PathRecord{Path: path, Record: node.Record{Value: b}})
		}
		return true
	})
	return out
}

func (h *holdup) held(n int, path string) string {
	slot, readable := readSlot(&h.w.replicas[n], path)
	if !readable {
		return "nothing readable"
	}
	if slot.Exists() {
		return describe(h.w.replicas[n].electorate.Visible(&slot))
	}
	return "nothing"
}
