// Package chaos holds faults as values: one Fault is one disturbance, a Plan is a timed list of them, and both print
// exactly as they parse, so that a failure report is also its reproduction.
//
// It is not an agent: it applies no faults itself, and does not depend on whether time is real. The simulator, the
// process target and the Docker target each implement Target; Links gives them one meaning of the network faults.
//
// Begin with kind.go (all the faults there are, and what each means), then fault.go and plan.go (text), validate.go
// (which plans make sense), generate.go (plans drawn at random), and links.go (what a network with faults does to a
// message).
package chaos
