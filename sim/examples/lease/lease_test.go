package lease

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/sim"
	"kvs/sim/explore"
	"kvs/sim/mutants"
	"kvs/sim/scenario"
	"kvs/sim/simcmd"
	"kvs/sim/simtest"
)

func TestLease(t *testing.T) {
	simtest.Run(t, simcmd.System{System: System{}, Scenarios: Scenarios}, simtest.Seeds(1, 300),
		simtest.Options{Scenario: "swarm"})
}

// The seed in the README finds the planted bug, and without the bug it finds nothing.
func TestPlantedBugIsFound(t *testing.T) {
	s, err := Scenarios.LoadFile("from-answer.scenario")
	require.NoError(t, err)
	run := func() *sim.Result {
		drawn := sim.Draw(3, s)
		res, err := sim.Run(sim.Options{System: System{}, Seed: 3, Scenario: &drawn})
		require.NoError(t, err)
		return res
	}
	require.Equal(t, "exclusive", run().Verdict())
	s.Own.(*Sections).FromAnswer = false
	require.Equal(t, "ok", run().Verdict())
}

func TestScenariosAreChecked(t *testing.T) {
	for _, name := range Scenarios.Names() {
		s, err := Scenarios.Load(name)
		require.NoError(t, err)
		back, err := Scenarios.Parse(s.String())
		require.NoError(t, err)
		require.Equal(t, s, back)
	}
	for line, says := range map[string]string{
		"lease term=1ms": "a term of 100ms", "workload think=2s..1s": "the smaller end first",
		"voters first=3": "unknown word", "lease terms=2s": "unknown option",
	} {
		_, err := Scenarios.Parse("scenario x\nexpect exclusive\n" + line)
		require.ErrorContains(t, err, says)
	}
	require.Equal(t, []scenario.Promise{Exclusive, scenario.Finished}, (&Sections{}).Promises())
}

// A mutant whose edit no longer fits the code would be hunted in vain.
func TestMutantsApply(t *testing.T) {
	all, err := mutants.Load(Mutants)
	require.NoError(t, err)
	require.Len(t, all, 4)
	for i := range all {
		_, err := all[i].Apply(func(name string) (string, error) {
			text, err := os.ReadFile(filepath.Join("..", "..", "..", filepath.FromSlash(name)))
			return string(text), err
		})
		require.NoError(t, err)
	}
}

// Every order of events of two requests to two members, with as much time as a lease lasts passing at any point: the
// lease is exclusive, but with the planted bug. A grant that comes late shows it.
func TestEveryOrderIsExplored(t *testing.T) {
	space := &explore.Space{System: System{}, Scenario: Scenarios.Default()}
	ops, err := explore.ParseOps([]string{"op@1", "op@2"})
	require.NoError(t, err)
	scope := explore.Scope{Name: "two", Nodes: 2, Ops: ops, Passes: 1, Patience: 2 * time.Second}
	res, err := explore.Search(space, &scope, explore.Options{})
	require.NoError(t, err)
	require.Empty(t, res.Violation, res.Schedule)
	require.True(t, res.Complete)

	space.Scenario.Own.(*Sections).FromAnswer = true
	broken, err := explore.Search(space, &scope, explore.Options{})
	require.NoError(t, err)
	require.Contains(t, broken.Violation, "acts under lease")
	again, err := explore.Replay(space, &scope, broken.Schedule, func(string) {})
	require.NoError(t, err)
	require.Equal(t, broken.Violation, again)
}
