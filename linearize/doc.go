// Package linearize records what clients saw and judges whether one register a path could have behaved like that.
//
// A Recorder collects operations into a History; Write and Read keep it as JSON lines, so that a run of the simulator and
// a run against a real cluster are judged by the same code, today and again later. Check splits the history by path, looks
// for violations that can be named (rules.go), removes what certainly cannot matter (reduce.go), and leaves the rest to
// porcupine (model.go). The verdict is Linearizable, Violation or Undecided; Undecided fails like a violation.
//
// Begin with op.go (what an operation is), then check.go.
//
// It is not a workload generator and knows nothing of nodes, networks or HTTP. It reads no clock: times are arguments, and
// the one timeout lives inside porcupine. Recorder and Check are for one goroutine; Shared (shared.go) is the recorder for
// many.
package linearize
