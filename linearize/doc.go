// Package linearize records what clients saw and judges whether one object a path could have behaved like that.
//
// A Recorder collects operations into a History; Write and Read keep it as JSON lines, so that a run of the simulator
// and a run against a real cluster are judged by the same code, today and again later. Check splits the history by
// path and asks the Model whether one object explains it: a register of kvs, or a queue, a lock and others
// (models.go). The verdict is Linearizable, Violation or Undecided; Undecided fails like a violation.
//
// Of registers, violations that can be named are looked for first (rules.go, zones.go), and what certainly cannot
// matter is removed (reduce.go). What is left, and all of the other models, is a search for an order of the
// operations (order.go, memory.go). porcupine, which does the same search in another way, draws the pictures and is a
// second opinion in the tests.
//
// Begin with op.go (what an operation is), then models.go, then check.go.
//
// It is not a workload generator and knows nothing of nodes, networks or HTTP. It reads no clock: times are
// arguments, and what a search may cost is counted in steps and bytes. Only porcupine's pictures have a time limit.
// Recorder and Check are for one goroutine; Shared (shared.go) is the recorder for many.
package linearize
