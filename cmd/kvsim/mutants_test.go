package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/sim/mutants"
)

func TestMutantsList(t *testing.T) {
	var out bytes.Buffer
	require.Equal(t, exitOK, execute([]string{"mutants", "--list"}, stdio{out: &out, err: &out}))
	all, err := mutants.All()
	require.NoError(t, err)
	require.Equal(t, len(all), strings.Count(out.String(), "\n"))

	for _, args := range [][]string{{"--only", "nobody"}, {"--jobs", "0"}, {"--source", t.TempDir(), "--scenario", "nowhere"}} {
		var errs bytes.Buffer
		require.Equal(t, exitUsage, execute(append([]string{"mutants"}, args...), stdio{out: &out, err: &errs}))
		require.NotEmpty(t, errs.String())
	}
}

// One mutant is built and caught, to the end of the table.
func TestMutantIsCaught(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a program")
	}
	var out, errs bytes.Buffer
	code := execute([]string{"mutants", "--only", "list-limit-overrun", "--seeds", "20", "--scenario", "quiet"}, stdio{out: &out, err: &errs})
	require.Equal(t, exitOK, code, "%s\n%s", out.String(), errs.String())
	require.Regexp(t, `list-limit-overrun +listing +quiet +\d+ +\d+ `, out.String())
	require.Contains(t, errs.String(), "replay:")
}

func TestHuntRefusesEditsThatDoNotFit(t *testing.T) {
	m := mutants.Mutant{Name: "stale", Edits: []mutants.Edit{{File: "go.mod", Old: "no such line\n"}}}
	o := huntOptions{root: "../..", scenarios: []string{"quiet"}, runs: 1, seedTimeout: defaultSeedTimeout}
	h := o.hunt(&m)
	require.ErrorContains(t, h.err, "its old text is 0 times")
	require.True(t, h.wrong())
}

func TestReportHunt(t *testing.T) {
	plain, excused := mutants.Mutant{Name: "plain"}, mutants.Mutant{Name: "excused", Survives: "nobody looks"}
	for _, c := range []struct {
		h     hunted
		wrong bool
		says  string
	}{
		{hunted{mutant: &plain, caught: "listing", scenario: "quiet", seed: 3, runs: 5}, false, "caught=1 survived=0 wrong=0"},
		{hunted{mutant: &plain, runs: 5}, true, "NOTHING"},
		{hunted{mutant: &excused, runs: 5}, false, "nobody looks"},
		{hunted{mutant: &excused, caught: "listing"}, true, "take that line out"},
		{hunted{mutant: &plain, err: errors.New("planted")}, true, "ERROR: planted"},
	} {
		var out bytes.Buffer
		err := reportHunt(stdio{out: &out}, []hunted{c.h})
		require.Equal(t, c.wrong, errors.Is(err, errBroken), out.String())
		require.Contains(t, out.String(), c.says)
	}
	require.Equal(t, "a,b", verdictOf("seed=1 verdict=a,b operations=3"))
}
