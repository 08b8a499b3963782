package chaos

import "fmt"

// Target is a cluster that faults can be applied to. Its nodes are numbered from 1 to Nodes.
//
// Apply returns when the fault is in force: the next message after it is cut, the process is gone. Faults come one at a
// time and in the order of the plan. An error means that the fault is not, or not wholly, in force; the run is then
// void. A target gets only plans that passed Validate and CheckSupported, followed by one Recover.
type Target interface {
	Nodes() int
	Supports(Kind) bool
	Apply(Fault) error
}

// AtMost is how many of all nodes a scenario's number means, in which zero stands for all.
func AtMost(number, all int) int {
	if number == 0 {
		return all
	}
	return min(number, all)
}

// CheckSupported refuses a plan with a fault that t does not support: a plan with faults left out silently would prove
// less than it claims.
func CheckSupported(p Plan, t Target) error {
	for _, e := range p.Events {
		if !t.Supports(e.Kind) {
			return fmt.Errorf("`%s`: this target has no %s; choose another target or take the line out of the plan", e,
				e.Kind)
		}
	}
	return nil
}
