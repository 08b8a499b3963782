package kvs

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/scenarios"
	"kvs/sim"
	"kvs/sim/scenario"
	"kvs/sim/simcmd/document"
)

// watchedSystem hands its checkers out.
type watchedSystem struct {
	System
	made *[]sim.Checker
}

// New implements sim.System.
func (s watchedSystem) New(w *sim.World) sim.Cluster {
	c := s.System.New(w)
	*s.made = c.Checkers()
	return c
}

// Every promise that can break says in one sentence what is wrong then.
func TestEveryPromiseHasAMeaning(t *testing.T) {
	s := scenarios.Default()
	known := map[string]bool{}
	for _, p := range s.Own.Promises() {
		known[p.String()] = true
		if p != scenario.NotLinearizable { // it excludes the promise Linearizable.
			s.Expect = append(s.Expect, p)
		}
	}
	s.Name, s.Duration, scenarios.Of(&s).Gossip.Sealed = "every-promise", 1, true
	var made []sim.Checker
	drawn := sim.Draw(1, s)
	sim.NewWorld(sim.Options{System: watchedSystem{made: &made}, Seed: 1, Scenario: &drawn})
	require.NotEmpty(t, made)
	for _, c := range made {
		known[c.Name()] = true
	}
	for _, p := range []string{sim.PromisePanic, sim.PromiseWorks, sim.PromiseBounded, sim.PromiseDeterministic} {
		known[p] = true
	}
	for p := range known {
		text := document.Meaning(System{}, p)
		require.True(t, strings.HasSuffix(text, ".") && strings.Count(text, ". ") == 0, "%s: %q", p, text)
	}
	for p := range meanings {
		require.True(t, known[p] || p == "losers-kept", "there is no promise %s", p)
	}
}
