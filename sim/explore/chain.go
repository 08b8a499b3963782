package explore

import (
	"time"

	"kvs/linearize"
	"kvs/sim"
)

// call is the state of an operation.
type call struct {
	sent, over bool
	op         sim.Operation
	history    linearize.Op // of op, if it is in the history.
	answer     sim.Answer
}

// status is why a call failed; empty: it did not.
func (c *call) status() string {
	switch {
	case !c.over:
		return "no answer"
	case c.answer.Status != linearize.OK:
		return c.answer.Err
	}
	return ""
}

// says is the client's outcome, for people.
func (c *call) says() string {
	switch {
	case c.answer.Output != "":
		return c.answer.Output
	case c.answer.Status == linearize.OK:
		return "ok"
	}
	return c.answer.Err
}

// never is longer than any execution.
const never = time.Hour

// chain is a client that runs its operations one after the other, and keeps their outcomes.
type chain struct {
	sim.Client
	world  *world
	ops    []int // in the scope.
	single *call // instead of them.
	next   int
}

// addClients adds the clients of the scope: one for each chain.
func (w *world) addClients() {
	for k := 0; k < len(w.scope.Ops); {
		c := &chain{world: w}
		var ops []Op
		for first := k; k < len(w.scope.Ops) && (k == first || w.scope.Ops[k].After); k++ {
			c.ops, ops = append(c.ops, k), append(ops, w.scope.Ops[k])
		}
		number := c.ops[0] + 1
		c.Client = w.guide.Script(number, ops)
		w.AddClient(c, number, 0, sim.RoleScript)
	}
	w.asked = append(w.asked, w.Asked()...)
}

// underWay is the operation of the scope to which a request belongs.
func (w *world) underWay(q sim.Request) int {
	c := q.Caller.Client.(*chain)
	return c.ops[c.next-1]
}

// current is the operation that has begun.
func (c *chain) current() *call {
	if c.single != nil {
		return c.single
	}
	return &c.world.calls[c.ops[c.next-1]]
}

// Next implements sim.Client.
func (c *chain) Next() (think time.Duration, more bool) {
	left := c.next < len(c.ops) || c.single != nil && c.next == 0
	if left {
		_, left = c.Client.Next()
	}
	return 0, left
}

// Begin implements sim.Client.
func (c *chain) Begin() sim.Operation {
	op := c.Client.Begin()
	c.next++
	if op.Timeout = never; c.single == nil {
		op.Node = c.world.scope.Ops[c.ops[c.next-1]].Node
	}
	k := c.current()
	if k.op = op; op.History != nil {
		k.history = *op.History
	}
	return op
}

// End implements sim.Client.
func (c *chain) End(op *sim.Operation, a *sim.Answer) (again bool) {
	if c.Client.End(op, a) {
		return true
	}
	k := c.current()
	k.over, k.answer = true, *a
	k.answer.Value = append([]byte(nil), a.Value...)
	return false
}
