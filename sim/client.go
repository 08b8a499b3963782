package sim

import (
	"fmt"
	"time"

	"kvs/chaos"
	"kvs/linearize"
)

// Caller is the state of a client in the world.
type Caller struct {
	Number int // from 1; probes have higher numbers.
	Client Client
	Op     Operation // the open one, or the last one.

	role    Role
	node    int // the replica that it asks, or asked last.
	process int // in the history. A new one after each operation of unknown outcome.
	count   uint32
	drawn   int  // operations, including those that the scenario leaves out.
	busy    bool // an operation is open.
	done    bool // it begins no more operations.
	handle  linearize.Handle
}

// Role is the purpose of the client.
func (c *Caller) Role() Role { return c.role }

// callSlotBits are the low bits of a request's ID, the slot of its call; the high bits count.
const callSlotBits = 24

// operatorCall marks the requests of operators, which do not wait for answers.
const operatorCall = 1 << 63

// OperatorID returns the ID of a request that an operator makes through Control: the reply is dropped.
func (w *World) OperatorID() uint64 {
	w.requests++
	return operatorCall | w.requests
}

// ExpectOperations says about how many operations clients will begin, so that the history has room for them at once.
func (w *World) ExpectOperations(n int) { w.recorder.Grow(n) }

// AddClient adds a client, which thinks first. At is the number of the replica that a probe or script is about;
// zero for the others.
func (w *World) AddClient(c Client, number, at int, role Role) {
	caller := &Caller{Number: number, Client: c, role: role, node: at}
	if role != RoleProbe {
		caller.process = w.recorder.NewProcess()
	}
	w.callers = append(w.callers, caller)
	w.plan(int32(len(w.callers) - 1))
}

// plan lets a client draw its next operation and think.
func (w *World) plan(index int32) {
	c := w.callers[index]
	think, more := w.next(c)
	if !more {
		c.done = true
		return
	}
	w.at(w.now+think, entry{kind: entryThink, slot: index})
}

// next makes a client draw its next operation among those that the scenario keeps. Operations that the scenario leaves
// out are drawn, with their think times, all the same, so that the others stay the same.
func (w *World) next(c *Caller) (think time.Duration, more bool) {
	if w.sc.Keep == nil || c.role != RoleLoad {
		return c.Client.Next()
	}
	for {
		c.drawn++
		kept, left := w.sc.Keep.Has(c.Number, c.drawn)
		if !left {
			return 0, false
		}
		pause, more := c.Client.Next()
		if !more {
			return 0, false
		}
		if think += pause; kept {
			return think, true
		}
	}
}

// think ends a client's pause: the client begins an operation, or is done.
func (w *World) think(index int32) {
	c := w.callers[index]
	if c.done {
		return
	}
	if w.now >= w.sc.Duration && c.role == RoleLoad {
		c.done = true
		return
	}
	c.count++
	c.busy = true
	c.Op = c.Client.Begin()
	if c.role != RoleProbe {
		w.operations++
		if c.Op.History != nil {
			c.handle = w.recorder.Invoke(int64(w.now), c.process, *c.Op.History)
		}
	}
	if w.tracer != nil {
		w.tracer(fmt.Sprintf("%s c%d %s %q at n%d %s", w.now, c.Number, c.Op.Kind, c.Op.Subject, c.Op.Node, c.Op.Label))
	}
	w.submit(index)
}

// submit sends a client's open operation to its replica.
func (w *World) submit(index int32) {
	c := w.callers[index]
	c.node = c.Op.Node
	deadline := w.now + c.Op.Timeout
	w.at(deadline, entry{kind: entryGiveUp, slot: index, run: c.count})
	if chaos.Chance(w.clientRNG, w.sc.Network.Loss) {
		return // the request is lost, and the client is not informed.
	}
	call := Call{Op: c.Op, Caller: c, index: index, number: c.count, Node: c.Op.Node, Deadline: deadline}
	slot := index // on a stage: see Stage.
	if w.stage != nil {
		w.calls.Set(slot, call)
	} else {
		slot = w.calls.Put(call)
	}
	w.at(w.now+w.clientDelay(), entry{kind: entryRequest, node: uint8(c.Op.Node), slot: slot})
}

func (w *World) clientDelay() time.Duration {
	return chaos.DrawDuration(w.clientRNG, w.sc.Network.Delay, w.sc.Network.DelayMax)
}

// request hands a replica a request that has reached it.
func (w *World) request(r *Replica, e entry) {
	c := w.calls.At(e.slot)
	if r.machine == nil {
		if w.clientRNG.IntN(4) == 0 {
			w.calls.Drop(e.slot) // the process is down, so it is not refused; the client waits.
			return
		}
		c.Answer = Answer{Status: linearize.Fail, Err: "connection refused"}
		w.sendAnswer(e.slot)
		return
	}
	c.AskedAt = w.now
	body, ask := c.Caller.Client.Serve(r, c)
	if !ask {
		w.sendAnswer(e.slot)
		return
	}
	if w.requests++; w.stage != nil {
		w.requests = uint64(c.index)<<stageCountBits | uint64(c.number)
	}
	c.id = w.requests<<callSlotBits | uint64(e.slot)
	c.run, c.asked = r.run, true
	w.in = Input{Kind: InputRequest, ID: c.id, Deadline: max(r.clock.Mono(w.now)+c.Deadline-w.now, 1), Body: body}
	w.step(r)
}

// reply takes the machine's answer to a request, when the gate releases it.
func (w *World) reply(r *Replica, reply *Reply) {
	if reply.ID&operatorCall != 0 {
		return
	}
	slot := int32(reply.ID & (1<<callSlotBits - 1))
	if int(slot) >= len(w.calls.Slots) || w.calls.At(slot).id != reply.ID || !w.calls.At(slot).asked {
		w.Violate(Violation{Promise: PromiseWorks, Node: r.Number,
			Detail: fmt.Sprintf("it answers request %d, which is not open", reply.ID)})
		return
	}
	c := w.calls.At(slot)
	c.asked = false
	c.Answer = c.Caller.Client.Answer(r, c, reply)
	if w.bus.heard(EventReplied) {
		e := w.bus.event(EventReplied, r)
		e.Call, e.Reply = c, reply
		w.bus.tell(e)
	}
	w.sendAnswer(slot)
}

func (w *World) sendAnswer(slot int32) {
	if chaos.Chance(w.clientRNG, w.sc.Network.Loss) {
		w.calls.Drop(slot)
		return
	}
	w.at(w.now+w.clientDelay(), entry{kind: entryAnswer, slot: slot})
}

// hangUp breaks the connections of clients that wait for a replica that has crashed. Most of them notice.
func (w *World) hangUp(r *Replica) {
	for i := range w.calls.Slots {
		c := &w.calls.Slots[i]
		if c.Node != r.Number || !c.asked {
			continue
		}
		c.asked = false
		if w.stage == nil && w.clientRNG.IntN(4) == 0 {
			w.calls.Drop(int32(i))
			continue
		}
		c.Answer = Answer{Status: linearize.Info, Err: "connection reset"}
		w.at(w.now+w.clientDelay(), entry{kind: entryAnswer, slot: int32(i)})
	}
}

// answered delivers an answer to its client, unless the client has given up.
func (w *World) answered(e entry) {
	call := w.calls.At(e.slot)
	c, number, index := call.Caller, call.number, call.index
	w.answer = call.Answer
	w.calls.Drop(e.slot)
	if c.busy && c.count == number {
		w.finish(index, &w.answer)
	}
}

func (w *World) giveUp(e entry) {
	if c := w.callers[e.slot]; c.busy && c.count == e.run {
		w.answer = Answer{Status: linearize.Info, Err: "timeout"}
		w.finish(e.slot, &w.answer)
	}
}

// finish ends a client's operation and plans its next one.
func (w *World) finish(index int32, a *Answer) {
	c := w.callers[index]
	if c.Client.End(&c.Op, a) {
		c.count++ // answers to the former attempt are ignored.
		w.submit(index)
		return
	}
	c.busy = false
	w.hash.Word(uint64(a.Status)<<32 | uint64(c.Number))
	w.hash.Bytes(a.Value)
	if c.role != RoleProbe { // as in w.operations: the outcomes of probes are judged at the end of the run.
		w.stats.answers[a.Status]++
	}
	if w.bus.heard(EventAnswered) {
		e := w.bus.event(EventAnswered, nil)
		e.Caller, e.Op, e.Answer = c, &c.Op, a
		w.bus.tell(e)
	}
	if w.tracer != nil {
		w.tracer(fmt.Sprintf("%s c%d %s %q at n%d: %s %s %s", w.now, c.Number, c.Op.Kind, c.Op.Subject, c.Op.Node,
			a.Status, a.Output, a.Err))
	}
	if c.role != RoleProbe && c.Op.History != nil {
		w.record(c, a)
	}
	w.plan(index)
}

func (w *World) record(c *Caller, a *Answer) {
	switch now := int64(w.now); a.Status {
	case linearize.OK:
		w.recorder.OK(c.handle, now, a.History)
	case linearize.Fail:
		w.recorder.Fail(c.handle, now, a.Err)
	default:
		c.process = w.recorder.Info(c.handle, now, a.Err)
	}
}

// waits describes what the client waits for.
func (c *Caller) waits() string {
	return fmt.Sprintf("client %d waits for a %s of %q at n%d", c.Number, c.Op.Kind, c.Op.Subject, c.node)
}
