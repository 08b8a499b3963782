package document

import (
	"kvs/sim"
	"kvs/sim/scenario"
)

// Meant is a sim.System that says what its promises are about.
type Meant interface {
	// Meanings has one sentence for each promise of the system: what is wrong when it is broken.
	Meanings() map[string]string
}

// meanings are those of the framework's own promises.
var meanings = map[string]string{
	sim.PromisePanic:          "The code of a replica ended with a panic.",
	sim.PromiseWorks:          "A replica did not start, or could not carry out something that always has to work.",
	sim.PromiseBounded:        "A queue, a message or the work of a replica grew beyond its bound.",
	sim.PromiseDeterministic:  "Two runs of one seed differ: something in the system does not come from the seed.",
	"lost":                    "The process that ran the seed ended, or did not answer in time.",
	string(scenario.Finished): "The faults had ended, and the cluster did not finish its work in the time that it has.",
	string(scenario.Linearizable): "The answers that the clients got fit no order in which each operation happens at " +
		"one moment between its begin and its end.",
	string(scenario.NotLinearizable): "The run was made to break linearizability, and the judge found nothing wrong: " +
		"the fault has no effect, or the judge is blind.",
}

// Meaning says in one sentence what is wrong when a promise is broken; empty: the system does not say it.
func Meaning(s sim.System, promise string) string {
	if m, ok := s.(Meant); ok {
		if text := m.Meanings()[promise]; text != "" {
			return text
		}
	}
	return meanings[promise]
}
