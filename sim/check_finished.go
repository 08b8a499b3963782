package sim

import "kvs/scenarios"

// checkFinished is liveness: after the faults have ended every operation finishes, every replica serves, and all agree, within
// the scenario's settle time.
func checkFinished(e *Evidence) []Violation {
	if e.Settled {
		return nil
	}
	return []Violation{{
		Promise: scenarios.Finished.String(),
		Detail:  e.Scenario.Settle.String() + " after the faults ended it is not over: " + e.Unsettled,
	}}
}
