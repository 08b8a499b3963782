// Package linearize records the operations of clients and judges whether one object for each path could have given
// their answers.
//
// A Recorder collects operations into a History; Write and Read keep it as JSON lines, so that a run of the simulator
// and a run against a real cluster are judged by the same code, today and again later. Check splits the history by
// path and asks the Model whether one object explains it: a register of kvs, or a queue, a lock and others
// (models.go). The verdict is Linearizable, Violation or Undecided; Undecided fails like a violation.
//
// For registers, named violations are looked for first (rules.go, zones.go), and operations that certainly cannot
// matter are removed (reduce.go). For the remaining ones, and for the other models, an order of the operations is
// searched (order.go, memory.go). porcupine, which does the same search in another way, draws the pictures and is a
// second opinion in the tests.
//
// Begin with op.go (what an operation is), then models.go, then check.go.
//
// It is not a workload generator and independent of nodes, networks and HTTP. It reads no clock: times are arguments,
// and the cost of a search is counted in steps and bytes. Only porcupine's pictures have a time limit. Recorder and
// Check are for one goroutine; Shared (shared.go) is the recorder for many.
package linearize
