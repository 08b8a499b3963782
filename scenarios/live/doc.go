// Package live drives a named scenario against real nodes: the workload and the plan of the simulator on real timers, a
// history kept by the clients, then convergence, no lost acknowledged write, and porcupine.
//
// It is not a simulator: two runs differ. It sees what clients see, so it judges converged, no-lost-write,
// no-resurrection, membership-agreed, finished, quorum-recency, linearizable and not-linearizable; Result.Unjudged
// names the rest of what a scenario expects. Two things in a scenario describe the simulated machine and mean nothing
// here: `disk sync`, since real disks take the time that they take, and `workload core`, since a real node reads around
// its loop. Everything else is carried out, or the scenario is refused: OnlySimulated, OnlyStarted and
// chaos.CheckSupported say why.
//
// Begin with live.go; prepare.go says what nodes are started with.
package live
