package sim

import (
	"fmt"
	"strings"
	"time"

	"kvs/chaos"
	"kvs/node"
)

// Recording is what a run looked like from outside: what the report page draws. It only listens: with it a run is the same run,
// a little slower.
type Recording struct {
	Messages []RecordedMessage // in order of Sent.
	Marks    []Mark            // in order of At.
	Faults   []chaos.Event     // as they happened, those of the plan and the end of all.

	// EventsMax bounds messages and marks together; what comes after it is counted only. Default: 200,000.
	EventsMax int
	Left      int // not recorded.
}

// RecordedMessage is one message, or one of its copies.
type RecordedMessage struct {
	From, To int // numbers of the replicas.
	Sent     time.Duration
	Arrived  time.Duration // or when it got lost.
	Lost     bool          // on its way, or because nobody was there. Also of what is still in flight at the end.
	Frame    bool          // else a datagram.
	Kind     string
	Bytes    int
}

// MarkKind says what a Mark is about.
type MarkKind uint8

// The kinds of marks.
const (
	MarkStart    MarkKind = iota // the process starts.
	MarkCrash                    // it ends without warning.
	MarkPause                    // it stands still from here,
	MarkResume                   // to here.
	MarkPersist                  // changes become durable.
	MarkDecision                 // a conflict is decided.
	MarkLog                      // a log line.
	MarkBroken                   // a promise breaks.
)

// Mark is one thing that happens at a replica, or nowhere in particular (Node zero).
type Mark struct {
	At   time.Duration
	Node int
	Kind MarkKind
	Text string
}

const recordedEventsMax = 200_000

func (r *Recording) full() bool {
	limit := r.EventsMax
	if limit == 0 {
		limit = recordedEventsMax
	}
	if len(r.Messages)+len(r.Marks) < limit {
		return false
	}
	r.Left++
	return true
}

// mark records something; a nil r records nothing. Texts are only made for those who listen: callers look first.
func (w *world) mark(n int, kind MarkKind, text string) {
	if w.recording != nil && !w.recording.full() {
		w.recording.Marks = append(w.recording.Marks, Mark{w.now, n, kind, text})
	}
}

// recordSent records a message and returns what tells it from others; zero: it is not recorded.
func (w *world) recordSent(p *packet) int32 {
	if w.recording == nil || w.recording.full() {
		return 0
	}
	w.recording.Messages = append(w.recording.Messages, RecordedMessage{
		From: int(p.from), To: int(p.to), Sent: w.now, Arrived: w.now, Lost: true, Frame: p.transport == node.TransportFrame,
		Kind: messageKind(p.data), Bytes: len(p.data),
	})
	return int32(len(w.recording.Messages))
}

// recordEnd records how a message ended.
func (w *world) recordEnd(p *packet, arrived bool) {
	if p.recorded != 0 {
		m := &w.recording.Messages[p.recorded-1]
		m.Arrived, m.Lost = w.now, !arrived
	}
}

func (w *world) recordPersist(r *replica, p *node.Persist) {
	if w.recording == nil {
		return
	}
	const keysMax = 6
	var keys []string
	for i := range p.Ops {
		if i == keysMax {
			keys = append(keys, fmt.Sprintf("and %d more", len(p.Ops)-i))
			break
		}
		keys = append(keys, fmt.Sprintf("%q", p.Ops[i].Key))
	}
	w.mark(r.number, MarkPersist, fmt.Sprintf("persist %d: %s", p.ID, strings.Join(keys, " ")))
}

func (w *world) recordDecision(r *replica, d *node.ConflictRecord) {
	if w.recording != nil {
		w.mark(r.number, MarkDecision, fmt.Sprintf("%q at %s: %s wins by %s, settled %t", d.Path, d.Slot.TS, d.Decision.Winner, d.Decision.Rule, d.Decision.Final))
	}
}

// messageKinds are the names of what node/wire.go numbers. A number without a name is shown as it is.
var messageKinds = map[byte]string{
	1: "gossip", 2: "member-table", 3: "replicate", 4: "replicate-ack", 7: "sync-pull", 8: "tree-ask", 9: "tree-answer", 10: "leaf-ask", 11: "leaf-answer",
	20: "store", 21: "stored", 22: "fetch", 23: "fetched",
	24: "hello", 25: "plan-ask", 26: "plan", 27: "page-ask", 28: "page", 30: "gone-ask", 31: "gone-answer", 32: "gone-word",
	40: "config-ask", 41: "config-is", 42: "prepare", 43: "look", 44: "promised", 45: "accept", 46: "accepted", 47: "epoch",
	48: "passed-ask", 49: "passed-is", 50: "catch-range", 51: "catch-keys", 52: "catch-pull", 53: "catch-slots", 54: "adopted-ask", 55: "adopted-is",
	56: "word-ask", 57: "word", 58: "word-back",
}

func messageKind(data []byte) string {
	if len(data) < 2 {
		return "cut short"
	}
	if name := messageKinds[data[1]]; name != "" {
		return name
	}
	return fmt.Sprintf("kind %d", data[1])
}
