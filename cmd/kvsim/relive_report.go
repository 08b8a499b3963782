package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"kvs/linearize"
	"kvs/node"
	"kvs/node/recorder"
	"kvs/node/relive"
	"kvs/scenarios"
	"kvs/sim"
	"kvs/sim/report"
)

// drawing gathers the content of the report page: the recorded node is the first lane, and the members that it speaks
// with are the others. A recording does not know when a message was sent, or when it arrived elsewhere: it is drawn at
// the moment of the step.
type drawing struct {
	begin     time.Duration // monotonic time of the first step.
	begun     bool
	recording sim.Recording
	history   linearize.History
	lanes     map[string]int  // by address.
	names     []string        // of the lanes from the second on.
	asked     map[uint64]int  // index in the history of requests without an answer, by ID.
	senders   map[node.ID]int // lanes of members, as far as they are known.
	boots     map[uint64]bool // runs of the node that were seen.
}

// drawnEventsMax bounds what the page shows of each sort.
const drawnEventsMax = 20_000

func newDrawing() *drawing {
	return &drawing{recording: sim.Recording{EventsMax: drawnEventsMax}, lanes: map[string]int{},
		asked: map[uint64]int{}, senders: map[node.ID]int{}, boots: map[uint64]bool{}}
}

// lane is the lane of a member.
func (d *drawing) lane(name string) int {
	if _, known := d.lanes[name]; !known {
		d.names = append(d.names, name)
		d.lanes[name] = len(d.names) + 1
	}
	return d.lanes[name]
}

func (d *drawing) add(s *relive.Seen) {
	if !d.begun {
		d.begin, d.begun = s.Step.Time.Mono, true
	}
	at := max(s.Step.Time.Mono-d.begin, 0)
	if !d.boots[s.Head.Boots] {
		d.boots[s.Head.Boots] = true
		d.mark(at, sim.MarkStart, fmt.Sprintf("recording of start %d of %s begins", s.Head.Boots, s.Head.Name))
	}
	d.input(at, s.Step.Input)
	e := s.Effects
	if e.Persist.ID != 0 {
		d.mark(at, sim.MarkPersist, fmt.Sprintf("persist %d, because of %s:\n%s", e.Persist.ID,
			recorder.Describe(s.Step.Input), recorder.DescribeEffect(e, recorder.MarkPersist, 0)))
	}
	for i := range e.Sends {
		d.message(at, 1, d.lane(e.Sends[i].To), e.Sends[i].Transport == node.TransportFrame, e.Sends[i].Data)
	}
	for i := range e.Replies {
		d.answer(at, &e.Replies[i])
	}
	for i := range e.Logs {
		d.mark(at, sim.MarkLog, recorder.DescribeLog(&e.Logs[i]))
	}
	for i := range e.Decisions {
		d.mark(at, sim.MarkDecision, recorder.DescribeEffect(e, recorder.MarkDecision, i))
	}
}

func (d *drawing) mark(at time.Duration, kind sim.MarkKind, text string) {
	if len(d.recording.Marks) >= drawnEventsMax {
		d.recording.Left++
		return
	}
	d.recording.Marks = append(d.recording.Marks, sim.Mark{At: at, Node: 1, Kind: kind, Text: text})
}

func (d *drawing) message(at time.Duration, from, to int, frame bool, data []byte) {
	if len(d.recording.Messages) >= drawnEventsMax {
		d.recording.Left++
		return
	}
	kind, detail := recorder.MessageKind(data)
	d.recording.Messages = append(d.recording.Messages, sim.RecordedMessage{From: from, To: to, Sent: at, Arrived: at,
		Frame: frame, Kind: kind, Detail: detail, Bytes: len(data)})
}

func (d *drawing) input(at time.Duration, in node.Input) {
	switch in := in.(type) {
	case *node.Datagram:
		lane := d.lane(in.From)
		if id, ok := recorder.Sender(in.Data); ok {
			d.senders[id] = lane
		}
		d.message(at, lane, 1, false, in.Data)
	case *node.Frame:
		id, _ := recorder.Sender(in.Data)
		lane, known := d.senders[id]
		if !known {
			lane = d.lane(id.String())
			d.senders[id] = lane
		}
		d.message(at, lane, 1, true, in.Data)
	case *node.Request:
		d.ask(at, in)
	case node.Tick, *node.Persisted:
	default:
		d.mark(at, sim.MarkLog, recorder.Describe(in))
	}
}

func (d *drawing) ask(at time.Duration, r *node.Request) {
	if len(d.history.Ops) >= drawnEventsMax {
		d.recording.Left++
		return
	}
	kinds := map[node.OpKind]linearize.Kind{node.OpGet: linearize.Get, node.OpPut: linearize.Put,
		node.OpDelete: linearize.Delete}
	kind, known := kinds[r.Op]
	if !known {
		d.mark(at, sim.MarkLog, recorder.Describe(r))
		return
	}
	d.asked[r.ID] = len(d.history.Ops)
	d.history.Ops = append(d.history.Ops, linearize.Op{Process: len(d.asked), Node: "n1", Kind: kind, Path: r.Path,
		Input: shortText(r.Value), Invoke: int64(at), Return: int64(at), Status: linearize.Info,
		Error: r.Level.String() + ", no answer is recorded"})
}

func (d *drawing) answer(at time.Duration, r *node.Reply) {
	i, known := d.asked[r.ID]
	if !known {
		return
	}
	delete(d.asked, r.ID)
	op := &d.history.Ops[i]
	op.Return, op.Error = int64(at), ""
	switch {
	case r.Code == node.CodeOK || r.Code == node.CodeCreated:
		op.Status, op.Version = linearize.OK, r.Record.TS.String()
		op.Found = op.Kind == linearize.Get && r.Record.Live()
		op.Output = shortText(r.Record.Value)
	case r.Code == node.CodeNotFound:
		op.Status = linearize.OK
	default:
		op.Error = strings.TrimSpace(r.Code.String() + " " + r.Detail)
		if op.Status = linearize.Fail; r.Outcome == node.OutcomeUnknown {
			op.Status = linearize.Info
		}
	}
}

// shortText is the beginning of a value.
func shortText(b []byte) string {
	const bytesMax = 24
	if len(b) > bytesMax {
		return fmt.Sprintf("%q and %d bytes more", b[:bytesMax], len(b)-bytesMax)
	}
	if len(b) == 0 {
		return ""
	}
	return fmt.Sprintf("%q", b)
}

// run is the page.
func (d *drawing) run(r *relive.Result, replay string) *report.Run {
	end := max(r.Last.Mono-d.begin, time.Millisecond)
	lanes := []string{"n1 is " + r.Head.Name}
	for i, name := range d.names {
		lanes = append(lanes, fmt.Sprintf("n%d is %s", i+2, name))
	}
	res := &sim.Result{Scenario: "recording of " + r.Head.Name, Simulated: end, Settled: true, Events: r.Steps,
		Messages: uint64(len(d.recording.Messages)), Operations: len(d.history.Ops), History: &d.history}
	if r.Differs != nil {
		res.Violations = []sim.Violation{{Promise: "relived", Node: 1, At: end, Detail: r.Differs.String()}}
	}
	d.recording.Marks = slices.Insert(d.recording.Marks, 0, sim.Mark{Node: 1, Kind: sim.MarkLog,
		Text: strings.Join(lanes, ", ")})
	shown := scenarios.Default()
	shown.Name, shown.About = "recording", "what a real node was given; nothing was drawn"
	shown.Nodes, shown.Clients, shown.Duration = len(lanes), 0, end
	return &report.Run{
		Scenario: &shown, Result: res, Recording: &d.recording,
		Replay:  replay,
		Meaning: func(string) string { return "this build decides something else than the node that was recorded." },
	}
}
