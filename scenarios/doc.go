// Package scenarios holds named experiments as text: a cluster, a workload, a fault plan and what has to hold, one file
// each, that print as they parse. It also generates the workload, for the simulator and for real clusters alike.
//
// It is not a runner: sim runs a scenario in virtual time, scenarios/live against real nodes. Like chaos it is pure, but for
// LoadFile.
//
// A run has two phases. For Duration the clients work and the plan's faults happen (safety: nothing may be wrong). Then the
// runner applies chaos.Recover, and within Settle every operation must end and every promise about the final state must
// hold (liveness: things get done).
//
// Begin with scenario.go (what a scenario is), then split-brain.scenario for the text, workload.go (operations), and
// draw.go (scenarios drawn at random).
package scenarios
