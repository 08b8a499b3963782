package linearize_test

import (
	"fmt"

	"kvs/linearize"
)

// clients records operations of one path, each as long as a client says.
type clients struct {
	*linearize.Recorder
	p, q int
}

func recordOf(m linearize.Model) clients {
	r := linearize.NewRecorder(linearize.Header{Model: m.Name()})
	return clients{Recorder: r, p: r.NewProcess(), q: r.NewProcess()}
}

// did records an operation of one client that was answered.
func (c clients) did(process int, from, to int64, op linearize.Op, a linearize.Answer) {
	op.Path = "x"
	c.OK(c.Invoke(from, process, op), to, a)
}

func (c clients) judge() {
	res := linearize.Check(c.Finish(1000), linearize.Options{})
	ev := res.Keys[res.Offending].Evidence
	fmt.Println(res.Verdict, ev.Rule, ev.Ops) // ev.Text says it in words.
}

// Two clients swap the same value for another one, and both are told that it worked.
func ExampleCASRegister() {
	c := recordOf(linearize.CASRegister)
	c.did(c.p, 0, 10, linearize.Op{Kind: linearize.Put, Input: "free"}, linearize.Answer{})
	c.did(c.p, 20, 30, linearize.Op{Kind: linearize.CAS, Expect: "free", Input: "p"}, linearize.Answer{Applied: true})
	c.did(c.q, 40, 50, linearize.Op{Kind: linearize.CAS, Expect: "free", Input: "q"}, linearize.Answer{Applied: true})
	c.judge()
	// Output: violation interrupted [0 2 1]
}

// An increment that was acknowledged is missing from the sum.
func ExampleCounter() {
	c := recordOf(linearize.Counter)
	c.did(c.p, 0, 10, linearize.Op{Kind: linearize.Increment, Amount: 3}, linearize.Answer{})
	c.did(c.q, 20, 30, linearize.Op{Kind: linearize.Increment, Amount: 4}, linearize.Answer{Shown: true, Number: 7})
	c.did(c.p, 40, 50, linearize.Op{Kind: linearize.Get}, linearize.Answer{Number: 4})
	c.judge()
	// Output: violation no-order [2]
}

// Two looks disagree on the order of two elements.
func ExampleList() {
	c := recordOf(linearize.List)
	c.did(c.p, 0, 10, linearize.Op{Kind: linearize.Append, Input: "a"}, linearize.Answer{})
	c.did(c.q, 20, 30, linearize.Op{Kind: linearize.Append, Input: "b"}, linearize.Answer{})
	c.did(c.p, 40, 50, linearize.Op{Kind: linearize.Get}, linearize.Answer{List: []string{"a", "b"}})
	c.did(c.q, 60, 70, linearize.Op{Kind: linearize.Get}, linearize.Answer{List: []string{"b", "a"}})
	c.judge()
	// Output: violation no-order [3]
}

// A lease ran out while its holder did not look. The store lets the new holder in, and then the old one: the fence is
// down.
func ExampleLock() {
	c := recordOf(linearize.Lock)
	c.did(c.p, 0, 10, linearize.Op{Kind: linearize.Acquire}, linearize.Answer{Applied: true, Number: 33})
	service := c.NewProcess()
	// the lease ran out.
	c.did(service, 20, 21, linearize.Op{Kind: linearize.Release, Amount: 33}, linearize.Answer{Applied: true})
	c.did(c.q, 30, 40, linearize.Op{Kind: linearize.Acquire}, linearize.Answer{Applied: true, Number: 34})
	c.did(c.q, 50, 60, linearize.Op{Kind: linearize.Use, Amount: 34}, linearize.Answer{Applied: true})
	c.did(c.p, 70, 80, linearize.Op{Kind: linearize.Use, Amount: 33}, linearize.Answer{Applied: true})
	c.judge()
	// Output: violation no-order [4]
}

// The element that went in last comes out first.
func ExampleQueue() {
	c := recordOf(linearize.Queue)
	c.did(c.p, 0, 10, linearize.Op{Kind: linearize.Enqueue, Input: "a"}, linearize.Answer{})
	c.did(c.p, 20, 30, linearize.Op{Kind: linearize.Enqueue, Input: "b"}, linearize.Answer{})
	c.did(c.q, 40, 50, linearize.Op{Kind: linearize.Dequeue}, linearize.Answer{Found: true, Output: "b"})
	c.judge()
	// Output: violation no-order [2]
}

// A removal of unknown outcome may happen late, but an element does not come back by itself.
func ExampleSet() {
	c := recordOf(linearize.Set)
	c.did(c.p, 0, 10, linearize.Op{Kind: linearize.Add, Input: "a"}, linearize.Answer{})
	p := c.Info(c.Invoke(20, c.p, linearize.Op{Kind: linearize.Remove, Path: "x", Input: "a"}), 25, "timeout")
	c.did(c.q, 30, 40, linearize.Op{Kind: linearize.Contains, Input: "a"}, linearize.Answer{Found: true})
	c.did(c.q, 50, 60, linearize.Op{Kind: linearize.Get}, linearize.Answer{})
	c.did(p, 70, 80, linearize.Op{Kind: linearize.Contains, Input: "a"}, linearize.Answer{Found: true})
	c.judge()
	// Output: violation no-order [4]
}
