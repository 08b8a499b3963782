// Package sim is the virtual world: a whole cluster lifetime in one thread, drawn from one seed, that runs the same node
// code as production.
//
// Run takes a seed and a drawn scenario. It makes the replicas, their clocks and disks, the network between them, clients
// and a nemesis, and lets them live in virtual time, one event after another in the order of (time, sequence). There is a
// safety phase with load and faults, and a liveness phase in which everything is healed and everything has to finish and
// to agree. Checkers, one file a promise, then judge what the run left behind.
//
// The same seed, scenario, commit and toolchain give the same run, in every process and whatever the Go runtime does; the
// trace hash in the result is the proof.
//
// It is not a model of the node: it contains no copy of its logic but the oracles of the checkers. It does no I/O; cmd/kvsim
// prints, keeps files and runs many seeds.
//
// Begin with run.go, then world.go (the loop), replica.go (how effects are carried out), and evidence.go (what is judged).
package sim
