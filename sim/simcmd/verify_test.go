package simcmd

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/sim"
	"kvs/sim/examples/lease"
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
