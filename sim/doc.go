// Package sim is a framework that runs deterministic state machines in a virtual world: a whole cluster's run in one
// thread, drawn from one seed. It depends on no store; kvs is one system that it runs, in sim/kvs.
//
// A Machine is anything with Step(now, input, effects). A System starts machines, has the clients, and has the
// promises. Run takes a system, a seed and a drawn scenario. It makes the replicas, their clocks and disks, the network
// between them, clients and a nemesis, and runs one event after another, in the order of (time, sequence). There is a
// safety phase with load and faults, perhaps a phase in which only a majority is healed, and a liveness phase in which
// everything is healed, all operations have to end, and all replicas have to agree. Checkers, one for each promise,
// receive the events that they have subscribed to, and judge the final state.
//
// The same seed, scenario, commit and toolchain give the same run, in every process and whatever the Go runtime
// does; the trace hash in the result is the proof.
//
// It does no I/O: sim/simcmd prints, keeps files and runs many seeds, and sim/simtest runs seeds under go test.
//
// Begin with machine.go, system.go and checker.go, which are the contract, and toy_test.go, a system of a page.
// Then world.go (the loop), step.go (how effects are carried out), client.go (operations), and run.go (how a run is
// judged).
package sim
