// Package scenario is the text format of an experiment: a cluster, a workload, a fault plan and the promises, one file
// each, that prints as it parses.
//
// Cluster, network, clocks, disks, plan and phases are the same for every system, and are defined here. What clients
// do, how nodes are configured and what is promised differ from system to system: a system registers that as Sections.
// Unknown words and keys are errors. The package depends on no store and runs nothing: sim runs a scenario in virtual
// time. Like chaos it is pure, except Library.LoadFile.
//
// A run has two phases. For Duration the clients work and the plan's faults happen (safety: no promise may break). Then
// the runner applies chaos.Recover, and within Settle every operation must end and every promise about the final state
// must hold (liveness: things get done).
//
// Begin with scenario.go (what a scenario is) and text.go (the file), then sections.go (what a system adds) and draw.go
// (scenarios drawn at random).
package scenario
