package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"text/tabwriter"

	"kvs/sim/mutants"
)

// searched is how many runs one search took to find a mutant, in each repetition, rising. One that found nothing counts with all its runs.
type searched struct {
	runs   []int
	missed int // repetitions that found nothing.
}

// compareSearches hunts each mutant by uniform seeds and by the guided search, several times each with equal budgets, and prints how many
// runs each needed.
func (o *mutantsOptions) compareSearches(ctx context.Context, io stdio, all []mutants.Mutant) error {
	if len(o.hunt.scenarios) > 1 && o.hunt.chosen {
		return errors.New("--searches looks in one --scenario: name one, or none for the first that each mutant's file names")
	}
	table := tabwriter.NewWriter(io.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "MUTANT\tSCENARIO\tUNIFORM\tGUIDED\tMEDIANS\tMEANS\tRATIO OF MEANS")
	var means, medians float64 // sums of logarithms.
	for i := range all {
		scenario := o.hunt.grounds(&all[i])[0]
		both, err := o.searchBoth(ctx, &all[i], scenario)
		if ctx.Err() != nil {
			return errors.Join(table.Flush(), fmt.Errorf("%w: %d of %d mutants were compared", errInterrupted, i, len(all)))
		}
		if err != nil {
			return err
		}
		ratio := both[0].mean() / both[1].mean()
		means += math.Log(ratio)
		medians += math.Log(both[0].median() / both[1].median())
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%.1f, %.1f\t%.0f, %.0f\t%.2f\n", all[i].Name, scenario, both[0].text(), both[1].text(),
			both[0].median(), both[1].median(), both[0].mean(), both[1].mean(), ratio)
		fmt.Fprintf(io.err, "%d of %d: %s\n", i+1, len(all), all[i].Name)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(io.out, "mutants=%d repetitions=%d ratio_of_means=%.2f ratio_of_medians=%.2f\n", len(all), o.searches,
		math.Exp(means/float64(len(all))), math.Exp(medians/float64(len(all)))) // geometric means over the mutants.
	return nil
}

func (s *searched) text() string {
	text := fmt.Sprint(s.runs)
	if s.missed > 0 {
		text += fmt.Sprintf(" (%d found nothing)", s.missed)
	}
	return text
}

func (s *searched) mean() float64 {
	sum := 0
	for _, r := range s.runs {
		sum += r
	}
	return float64(sum) / float64(len(s.runs))
}

func (s *searched) median() float64 {
	n := len(s.runs)
	return float64(s.runs[(n-1)/2]+s.runs[n/2]) / 2
}

// guideLine is the last line of kvsim guide.
var guideLine = regexp.MustCompile(`(?m)^search=\S+ .* verdict=(\S+) runs=(\d+) `)

// searchBoth builds a mutant and searches with uniform seeds, then guided, with the same numbers.
func (o *mutantsOptions) searchBoth(ctx context.Context, m *mutants.Mutant, scenario string) (both [2]searched, err error) {
	dir, err := os.MkdirTemp("", "kvsim-searches-")
	if err != nil {
		return both, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	program, err := buildMutant(ctx, o.hunt.root, dir, m)
	if err != nil {
		return both, err
	}
	for i := range both {
		for seed := 1; seed <= o.searches; seed++ {
			cmd := exec.CommandContext(ctx, program, "guide", "--scenario", scenario, "--seed", strconv.Itoa(seed), "--runs", strconv.Itoa(o.hunt.runs),
				"--jobs", strconv.Itoa(o.jobs), "--seed-timeout", o.hunt.seedTimeout.String(), "--out", filepath.Join(dir, "out"), fmt.Sprintf("--uniform=%t", i == 0))
			out, err := cmd.Output() // that of a search which finds something is not zero.
			found := guideLine.FindSubmatch(out)
			if found == nil {
				return both, fmt.Errorf("mutant %s: kvsim guide says %q (%w)", m.Name, out, err)
			}
			n, err := strconv.Atoi(string(found[2]))
			if err != nil {
				return both, err
			}
			both[i].runs = append(both[i].runs, n)
			if string(found[1]) == "ok" {
				both[i].missed++
			}
		}
		slices.Sort(both[i].runs)
	}
	return both, nil
}
