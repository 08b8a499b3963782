package simcmd

import (
	"errors"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/sim"
	"kvs/sim/examples/lease"
	"kvs/sim/mutants"
)

// unsteady is the lease service that proves to serve in every second run only: what an uninitialised field or a map's
// order could make of it.
type unsteady struct {
	lease.System
	runs int
}

func (u *unsteady) New(w *sim.World) sim.Cluster {
	u.runs++
	return &unsteadyCluster{u.System.New(w), u.runs%2 == 0}
}

type unsteadyCluster struct {
	sim.Cluster
	forgets bool
}

func (c *unsteadyCluster) Probe(nodes []int) {
	if !c.forgets {
		c.Cluster.Probe(nodes)
	}
}

// A system that is not deterministic is found out, and the first event that differs is shown with both sides.
func TestVerifyShowsWhereRunsPart(t *testing.T) {
	all, err := newTools(&App{Systems: []System{{System: &unsteady{}, Scenarios: lease.Scenarios}}}, IO{})
	require.NoError(t, err)
	e := all.Experiment()
	e.Verify = true
	s, err := e.Load()
	require.NoError(t, err)
	_, res, err := e.Run(s, 1, nil, nil)
	require.NoError(t, err)
	var found string
	for _, v := range res.Violations {
		if v.Promise == "deterministic" {
			found = v.Detail
		}
	}
	require.Regexp(t,
		`differ from event \d+ of the trace on:\n  both:  .*\n  both:  .*\n  both:  .*\n  one:   .*\n  other: `, found)
	lines := strings.Split(found, "\n")
	one, other := strings.TrimPrefix(lines[len(lines)-2], "  one:   "),
		strings.TrimPrefix(lines[len(lines)-1], "  other: ")
	require.NotEqual(t, one, other)

	e.Verify = false
	_, res, err = e.Run(s, 1, nil, nil)
	require.NoError(t, err)
	require.Empty(t, res.Violations)
}

func TestFirstDifference(t *testing.T) {
	runs := func(all ...string) func(func(string)) error {
		i := 0
		return func(trace func(string)) error {
			i++
			if all[i-1] == "fail" {
				return errors.New("no")
			}
			for _, line := range strings.Fields(all[i-1]) {
				trace(line)
			}
			return nil
		}
	}
	where, err := firstDifference(runs("a b c", "a b c", "a b c d", "a b x d"))
	require.NoError(t, err)
	require.Equal(t, "they differ from event 3 of the trace on:\n  both:  a\n  both:  b\n  one:   c\n  other: x", where)
	where, _ = firstDifference(runs("a", "a b"))
	require.Contains(t, where, "event 2 of the trace on:\n  both:  a\n  one:   (it has ended)\n  other: b")
	where, _ = firstDifference(runs("a b", "a"))
	require.Contains(t, where, "one:   b\n  other: (it has ended)")
	where, err = firstDifference(runs("a", "a", "a", "a", "a", "a"))
	require.NoError(t, err)
	require.Empty(t, where)
	_, err = firstDifference(runs("a", "fail"))
	require.Error(t, err)
}

// What the rules about pure packages keep out of the core shows all the same: a node that takes the order of a map into
// an identity. The soak finds it, and shows the first event that differs with both sides.
func TestVerifyFindsTheOrderOfAMap(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a program")
	}
	const old = "\ta, b := s.Rand.Uint64(), s.Rand.Uint64()\n"
	impure := mutants.Mutant{Name: "impure", Edits: []mutants.Edit{{File: "node/step/step.go", Old: old, New: old +
		"\tfor some := range map[uint64]bool{1: true, 2: true, 4: true, 8: true} {\n\t\ta += some\n\t\tbreak\n\t}\n"}}}
	o := huntOptions{tools: tools(t), root: "../.."}
	program, err := o.builder().Build(t.Context(), t.TempDir(), &impure)
	require.NoError(t, err)
	args := []string{"soak", "--scenario", "quiet", "--seeds", "1..3", "--duration", "2s", "--jobs", "1",
		"--broken-max", "1"}
	out, err := exec.CommandContext(t.Context(), program, args...).Output()
	require.NoError(t, err, "without --verify nothing shows: %s", out)
	out, err = exec.CommandContext(t.Context(), program, append(args, "--verify")...).Output()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit, "%s", out)
	require.Equal(t, ExitBroken, exit.ExitCode())
	both := regexp.MustCompile(`deterministic: the second run of the same seed has another trace: \w+, then \w+; ` +
		`they differ from event \d+ of the trace on:\n(?:  both:  .*\n)*  one:   (.*)\n  other: (.*)\n`)
	sides := both.FindStringSubmatch(string(out))
	require.NotNil(t, sides, "%s", out)
	require.NotEqual(t, sides[1], sides[2])
	require.Contains(t, string(out), "replay: make sim SEED=1 SCENARIO=quiet SIMFLAGS='--duration 2s --verify'\n")
}
