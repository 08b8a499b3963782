// Package member is a node of kvs as a machine of the simulator: it translates between the inputs and effects of the
// simulator and those of package node. It has no access to the cluster: sim/kvs and sim/kvs/explored start members.
package member

import (
	"kvs/node"
	"kvs/node/recorder"
	"kvs/sim"
	"kvs/sim/pool"
)

// Member is a node, as a sim.Machine.
type Member struct {
	Node *node.Node
	eff  node.Effects
	door *sealed // nil: datagrams are not sealed.

	// Recorder records each step; nil: none is. The node reads from its store.
	Recorder *recorder.Recorder

	// Reused inputs: the node keeps none of them.
	datagram  node.Datagram
	frame     node.Frame
	persisted node.Persisted

	answers pool.Slab[Answered]
}

// Answered is the body of a reply.
type Answered struct{ node.Response }

// Hash implements sim.Hasher.
func (a *Answered) Hash(h *sim.Hash) {
	h.Word(uint64(a.Code)<<16 | uint64(a.Outcome)<<8 | uint64(a.Level))
	h.Word(uint64(a.Record.TS))
	h.Bytes(a.Record.UUID[:])
	h.Bytes(a.Record.Value)
}

// Fail changes the answer into that of a broken disk: see sim.Failer.
func (a *Answered) Fail(detail string) {
	r := node.Reply{Response: a.Response}
	r.Fail(detail)
	a.Response = r.Response
}

// WrongClock is the note of a step of a node that had known its clock to be wrong. In a step without timestamps of
// others, its new timestamps continue the former ones: the clock is not used.
type WrongClock struct{ Before, After node.Timestamp }

// wrongClockStampsMax bounds the timestamps that one step of a node issues.
const wrongClockStampsMax = 1000

// Start begins a run of a node.
func Start(now sim.Time, o node.Options, eff *sim.Effects) (*Member, error) {
	return start(now, o, nil, eff)
}

func start(now sim.Time, o node.Options, door *sealed, eff *sim.Effects) (*Member, error) {
	m := &Member{door: door}
	m.lend(eff)
	n, err := node.New(now, o, &m.eff)
	if err != nil {
		return nil, err
	}
	m.Node = n
	m.giveBack(eff)
	return m, nil
}

// Step implements sim.Machine.
func (m *Member) Step(now sim.Time, in *sim.Input, eff *sim.Effects) {
	m.lend(eff)
	off, before := m.Node.ClockOff(), m.Node.Clock()
	what := m.input(now, in)
	if what == nil { // refused before the node: it does not get it.
		m.giveBack(eff)
		return
	}
	if m.Recorder != nil {
		m.Recorder.Step(now, what, &m.eff)
	} else {
		m.Node.Step(now, what, &m.eff)
	}
	if off && (in.Kind == sim.InputTick || in.Kind == sim.InputRequest || isRequest(in.Body)) {
		// Timestamps from its own disk may be above, too, but they hardly equal the present reading of its clock.
		if after := m.Node.Clock(); m.Node.ClockOff() && after > before+wrongClockStampsMax &&
			after.Wall() == now.Wall {
			eff.Notes = append(eff.Notes, &WrongClock{before, after})
		}
	}
	m.giveBack(eff)
}

func isRequest(body any) bool {
	_, is := body.(*node.Request)
	return is
}

// input translates an input to one of the node; nil: it does not reach the node.
func (m *Member) input(now sim.Time, in *sim.Input) node.Input {
	switch in.Kind {
	case sim.InputTick:
		return node.Tick{}
	case sim.InputDatagram:
		m.datagram = node.Datagram{From: in.From, Data: in.Data}
		if m.door != nil {
			if m.datagram.Data = m.door.open(now, in.Data); m.datagram.Data == nil {
				return nil
			}
		}
		return &m.datagram
	case sim.InputFrame:
		m.frame = node.Frame{Data: in.Data}
		if m.door != nil {
			m.frame.By = provenBy(in.From)
		}
		return &m.frame
	case sim.InputPersisted:
		m.persisted = node.Persisted{UpTo: in.UpTo, Err: in.Err}
		return &m.persisted
	case sim.InputRequest:
		req := in.Body.(*node.Request)
		req.ID, req.Deadline = in.ID, in.Deadline
		return req
	}
	return in.Body.(node.Input)
}

// lend makes the node fill the memory that the world reads.
func (m *Member) lend(eff *sim.Effects) {
	m.eff.Reset()
	m.eff.Sends, m.eff.Logs = eff.Sends, eff.Logs
	if m.door != nil {
		m.door.first = len(eff.Sends)
	}
}

// giveBack hands the world the node's effects.
func (m *Member) giveBack(eff *sim.Effects) {
	e := &m.eff
	if m.door != nil {
		m.door.seal(e.Sends)
		eff.Notes = append(eff.Notes, m.door.notes...)
		m.door.notes = m.door.notes[:0]
	}
	eff.Persist, eff.Sends, eff.Logs, eff.Wake = e.Persist, e.Sends, e.Logs, e.Wake
	for i := range e.Replies {
		body := m.answers.New()
		body.Response = e.Replies[i].Response
		eff.Replies = append(eff.Replies, sim.Reply{After: e.Replies[i].After, ID: e.Replies[i].ID, Body: body})
	}
	if e.Electorate != nil {
		eff.Notes = append(eff.Notes, e.Electorate)
	}
	for i := range e.Changed {
		part := e.Changed[i]
		eff.Notes = append(eff.Notes, &part)
	}
	for i := range e.Decisions {
		eff.Notes = append(eff.Notes, &e.Decisions[i])
	}
	e.Sends, e.Logs = nil, nil
}

// AppendState implements sim.Stater: the state on which the further course of linearizable operations depends.
func (m *Member) AppendState(b []byte) []byte { return m.Node.AppendOperationState(b) }
