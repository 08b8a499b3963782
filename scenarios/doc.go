// Package scenarios holds kvs' named experiments as text, one file each: see kvs/sim/scenario for the text, what every
// scenario has, and the phases of a run. Kvs' own sections of it are here (workload, tuning, voters, promises), and the
// workload's generator, for the simulator and for real clusters alike.
//
// It is not a runner: sim runs a scenario in virtual time, scenarios/live against real nodes. It is pure.
//
// Begin with split-brain.scenario for the text, then sections.go and workload.go (operations).
package scenarios
