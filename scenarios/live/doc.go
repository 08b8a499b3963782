// Package live drives a named scenario against real nodes: the workload and the plan of the simulator on real timers, a
// history kept by the clients, then convergence, no lost acknowledged write, and porcupine.
//
// It is not a simulator: two runs differ. It sees what clients see, so it judges converged, no-lost-write, no-resurrection,
// membership-agreed, finished, quorum-recency, linearizable and not-linearizable; Result.Unjudged names the rest of what a scenario expects.
// The lines `clocks` and `disk` of a scenario describe a virtual machine and mean nothing here,
// nor does `network` where the target has no relay: a cluster given by URL.
//
// Begin with live.go.
package live
