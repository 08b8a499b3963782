package sim

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"kvs/chaos"
)

// Recording is the visible course of a run, which the report page draws. It only observes: the run is the same, a
// little slower.
type Recording struct {
	Messages []RecordedMessage // in order of Sent.
	Marks    []Mark            // in order of At.
	Faults   []chaos.Event     // as they happened, those of the plan and the end of all.

	// EventsMax bounds the messages, and the marks of persists and log lines; when there are so many of one sort the
	// oldest half is dropped. All other marks are kept, so that a violation is there, with the events before it.
	// Default: 200,000.
	EventsMax int
	Left      int // not kept.

	dropped int32 // messages, of those in Left.
	minor   int   // marks that may be dropped.
}

// RecordedMessage is one message, or one of its copies.
type RecordedMessage struct {
	From, To int // numbers of the replicas.
	Sent     time.Duration
	Arrived  time.Duration // or when it was lost.
	Lost     bool          // in flight, or because the receiver was down. Also for messages still in flight at the end.
	Frame    bool          // else a datagram.
	Kind     string
	Detail   string // its description, see Cluster.Describe; empty: its kind is enough.
	Bytes    int
}

// MarkKind is the kind of a Mark.
type MarkKind uint8

// The kinds of marks.
const (
	MarkStart    MarkKind = iota // the process starts.
	MarkCrash                    // it ends without warning.
	MarkPause                    // it is paused from here,
	MarkResume                   // to here.
	MarkPersist                  // changes become durable.
	MarkDecision                 // the system has decided something.
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

func (r *Recording) max() int {
	if r.EventsMax == 0 {
		return recordedEventsMax
	}
	return r.EventsMax
}

// minor reports whether marks of a kind are frequent, and may be dropped.
func (k MarkKind) minor() bool { return k == MarkPersist || k == MarkLog }

// addMark keeps a mark, and drops older ones of a frequent kind when there are too many.
func (r *Recording) addMark(m Mark) {
	if m.Kind.minor() {
		if r.minor >= r.max() {
			drop := (r.minor + 1) / 2
			r.Left += drop
			r.minor -= drop
			r.Marks = slices.DeleteFunc(r.Marks, func(m Mark) bool {
				if drop == 0 || !m.Kind.minor() {
					return false
				}
				drop--
				return true
			})
		}
		r.minor++
	}
	r.Marks = append(r.Marks, m)
}

// addMessage keeps a message, and returns its number, from 1, among all messages of the run.
func (r *Recording) addMessage(m RecordedMessage) int32 {
	if len(r.Messages) >= r.max() {
		drop := (len(r.Messages) + 1) / 2
		r.Left += drop
		r.dropped += int32(drop)
		r.Messages = slices.Delete(r.Messages, 0, drop)
	}
	r.Messages = append(r.Messages, m)
	return r.dropped + int32(len(r.Messages))
}

// message finds a message by its number; nil: it is not kept any more.
func (r *Recording) message(number int32) *RecordedMessage {
	if number <= r.dropped {
		return nil
	}
	return &r.Messages[number-r.dropped-1]
}

// Recording reports whether the run is recorded: only then are the texts of marks needed.
func (w *World) Recording() bool { return w.recording != nil }

// Mark records an event at a replica, if the run is recorded. Ask Recording before making a text.
func (w *World) Mark(n int, kind MarkKind, text string) {
	if w.recording != nil {
		w.recording.addMark(Mark{w.now, n, kind, text})
	}
}

// recordSent records a message and returns its number; zero: it is not recorded.
func (w *World) recordSent(p *packet) int32 {
	if w.recording == nil {
		return 0
	}
	kind, detail := w.cluster.Describe(p.data)
	return w.recording.addMessage(RecordedMessage{
		From: int(p.from), To: int(p.to), Sent: w.now, Arrived: w.now, Lost: true, Frame: p.transport == TransportFrame,
		Kind: kind, Detail: detail, Bytes: len(p.data),
	})
}

// recordEnd records how a message ended.
func (w *World) recordEnd(p *packet, arrived bool) {
	if p.recorded == 0 {
		return
	}
	if m := w.recording.message(p.recorded); m != nil {
		m.Arrived, m.Lost = w.now, !arrived
	}
}

func (w *World) recordPersist(r *Replica, p *Persist) {
	if w.recording == nil {
		return
	}
	const keysMax = 6
	var keys []string
	for i := range p.Changes {
		if i == keysMax {
			keys = append(keys, fmt.Sprintf("and %d more", len(p.Changes)-i))
			break
		}
		keys = append(keys, fmt.Sprintf("%q", p.Changes[i].Key))
	}
	w.Mark(r.Number, MarkPersist, fmt.Sprintf("persist %d: %s", p.ID, strings.Join(keys, " ")))
}
