// Package live drives a named scenario against real nodes: the workload and the plan of the simulator on real timers, a
// history kept by the clients, then convergence, no lost acknowledged write, and porcupine.
//
// It is not a simulator: two runs differ. It sees only what clients see, so it judges converged, no-lost-write,
// no-resurrection, membership-agreed, finished, quorum-recency, linearizable and not-linearizable; Result.Unjudged
// names the rest of what a scenario expects. Two settings of a scenario describe the simulated machine and are ignored
// here: `disk sync`, since real disks have their own speed, and `workload core`, since a real node reads around its
// loop. All other settings are carried out, or the scenario is refused: OnlySimulated, OnlyStarted and
// chaos.CheckSupported say why.
//
// Begin with live.go; prepare.go has the settings with which nodes are started.
package live
