// Package scenarios has kvs' named experiments as text, one file each: see kvs/sim/scenario for the format, the common
// settings, and the phases of a run. This package has kvs' own sections (workload, tuning, voters, promises), and the
// generator of the workload, for the simulator and for real clusters.
//
// It is not a runner: sim runs a scenario in virtual time, scenarios/live against real nodes. It is pure.
//
// Begin with split-brain.scenario for the text, then sections.go and workload.go (operations).
package scenarios
