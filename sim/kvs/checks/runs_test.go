package checks

import (
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/node/swim"
	"kvs/sim"
	"kvs/sim/kvs/checks/runs"
)

// A run that begins like a former one is found.
func TestRunThatIsNotNewIsFound(t *testing.T) {
	w, _ := lived(t)
	c := runs.New(w.World, promiseRuns)
	c.Begins(1, swim.FirstIncarnation(3, 0), 2, swim.FirstIncarnation(2, 9)+1)
	c.Asks(1, 7, 100)
	c.Asks(1, 7, 101)
	c.Asks(1, 8, 100)
	require.Empty(t, w.Violations())
	c.Begins(1, swim.FirstIncarnation(2, 10), 2, swim.FirstIncarnation(2, 9))
	requireBroken(t, w.TakeViolations(), promiseRuns, "begins its 2. run, and n2 knows its 2. already")
	c.Asks(1, 7, 100)
	requireBroken(t, w.TakeViolations(), promiseRuns, "the number 100")
	c.Observe(&sim.Event{Kind: sim.EventStarted, Replica: w.Replicas[1].Replica})
	requireBroken(t, w.TakeViolations(), promiseRuns, "knows its 1. already")
}
