package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"kvs/scenarios"
	"kvs/sim/mutants"
)

type mutantsOptions struct {
	list     bool
	markdown bool // print the table of sim/mutants/README.md, before the other one.
	hunt     huntOptions
	only     []string
	jobs     int

	searches int // repetitions of the comparison of searches; zero: it is not asked for.
}

func newMutantsCommand(io stdio) *cobra.Command {
	var o mutantsOptions
	cmd := &cobra.Command{
		Use:   "mutants",
		Short: "Plant known bugs one by one, and count the runs until each is found",
		Long: `mutants proves that the simulator finds bugs. It plants named bugs one by one, as edits of the source applied with
go build -overlay, and lives seeds of several scenarios with each until a promise breaks. Every second run is of the first scenario,
the others take turns: without --scenario, those that the mutant's own file names are the first, then comes swarm, then all others. For a few
mutants the file names a scope of kvsim explore; it is explored first, and has neither seed nor runs. The table says which promises
broke, where, after how many runs and how much CPU time.

It needs the source and the go command. A bug that nothing finds, an edit that no longer fits the source, and a bug that is found
although its file says that none can find it, are failures.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return o.run(io) },
	}
	f := cmd.Flags()
	f.BoolVar(&o.list, "list", false, "print the mutants, one a line, and do nothing")
	f.BoolVar(&o.markdown, "markdown", false, "print first what stands in sim/mutants/README.md; with --shrink, the sizes as well")
	f.StringSliceVar(&o.only, "only", nil, "names of the mutants to hunt; default: all")
	f.StringSliceVar(&o.hunt.scenarios, "scenario", nil, "names of the scenarios to hunt in; default: those that the mutant's file names, swarm, and all others")
	f.IntVar(&o.hunt.runs, "seeds", 2000, "seeds lived with one mutant, over all scenarios, before it counts as a survivor")
	f.DurationVar(&o.hunt.seedTimeout, "seed-timeout", defaultSeedTimeout, "end a run that takes longer than this, as a failure")
	f.DurationVar(&o.hunt.explore, "explore", 2*time.Minute, "how long to explore the scope that a mutant's file names")
	f.DurationVar(&o.hunt.shrink, "shrink", 0, "make each failure smaller, for so long at most, and show its size; 0: do not")
	f.IntVar(&o.jobs, "jobs", runtime.NumCPU(), "mutants hunted at once")
	f.IntVar(&o.searches, "searches", 0, "instead of hunting, compare kvsim guide with uniform seeds, so many times on each mutant")
	f.StringVar(&o.hunt.root, "source", "", "folder with the go.mod of kvs; default: found from the working directory up")
	return cmd
}

func (o *mutantsOptions) run(io stdio) error {
	all, err := o.choose()
	if err != nil {
		return err
	}
	if o.list {
		return listMutants(io, all)
	}
	if o.jobs < 1 || o.hunt.runs < 1 || o.hunt.seedTimeout <= 0 {
		return errors.New("--jobs, --seeds and --seed-timeout must be above zero")
	}
	if err := o.hunt.prepare(); err != nil {
		return err
	}
	ctx, stop := untilSignal()
	defer stop()
	if o.searches > 0 {
		return o.compareSearches(ctx, io, all)
	}
	found := o.huntAll(ctx, io, all)
	if o.markdown {
		printHunt(io, found, o.hunt.shrink)
	}
	err = reportHunt(io, found)
	if ctx.Err() != nil && len(found) < len(all) {
		return fmt.Errorf("%w: %d of %d mutants were hunted", errInterrupted, len(found), len(all))
	}
	return err
}

// choose returns the mutants asked for.
func (o *mutantsOptions) choose() ([]mutants.Mutant, error) {
	all, err := mutants.All()
	if err != nil || len(o.only) == 0 {
		return all, err
	}
	var out []mutants.Mutant
	for _, name := range o.only {
		known := len(out)
		for i := range all {
			if all[i].Name == name {
				out = append(out, all[i])
			}
		}
		if len(out) == known {
			return nil, fmt.Errorf("no mutant %q: see kvsim mutants --list", name)
		}
	}
	return out, nil
}

func listMutants(io stdio, all []mutants.Mutant) error {
	table := tabwriter.NewWriter(io.out, 0, 0, 2, ' ', 0)
	for i := range all {
		fmt.Fprintf(table, "%s\t%s (%s)\n", all[i].Name, all[i].About, all[i].Source)
	}
	return table.Flush()
}

// prepare finds the source and fills in the scenarios.
func (h *huntOptions) prepare() error {
	if h.root == "" {
		root, err := findModule()
		if err != nil {
			return err
		}
		h.root = root
	}
	h.chosen = len(h.scenarios) > 0
	if !h.chosen {
		h.scenarios = []string{"swarm"}
		for _, name := range scenarios.Names() {
			s, err := scenarios.Load(name)
			if err != nil {
				return err
			}
			if name != "swarm" && !s.Expects(scenarios.NotLinearizable) { // what is expected to break finds nothing.
				h.scenarios = append(h.scenarios, name)
			}
		}
	}
	for _, name := range h.scenarios {
		if _, err := scenarios.Load(name); err != nil {
			return err
		}
	}
	return nil
}

func findModule() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		text, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && strings.HasPrefix(string(text), "module kvs\n") {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("the source of kvs is not here: run it inside the repository, or name it with --source")
		}
		dir = parent
	}
}

// huntAll hunts several mutants at once and returns what came of each, in the order of all. When ctx ends, those that were not done are
// left out.
func (o *mutantsOptions) huntAll(ctx context.Context, io stdio, all []mutants.Mutant) []hunted {
	found := make([]hunted, len(all))
	next, done := make(chan int), make(chan int)
	go func() {
		defer close(next)
		for i := range all {
			next <- i
		}
	}()
	for range min(o.jobs, len(all)) {
		go func() {
			for i := range next {
				if found[i] = (hunted{err: errInterrupted}); ctx.Err() == nil {
					found[i] = o.hunt.hunt(ctx, &all[i])
				}
				done <- i
			}
		}()
	}
	for n := range all {
		i := <-done
		if errors.Is(found[i].err, errInterrupted) {
			continue
		}
		fmt.Fprintf(io.err, "%d of %d: %s: %s\n", n+1, len(all), all[i].Name, found[i].verdict())
		if found[i].caught != "" && len(all) == 1 {
			fmt.Fprint(io.err, found[i].explained)
		}
	}
	return slices.DeleteFunc(found, func(h hunted) bool { return errors.Is(h.err, errInterrupted) })
}

// reportHunt prints the table and says whether every mutant ended as it should.
func reportHunt(io stdio, found []hunted) error {
	table := tabwriter.NewWriter(io.out, 0, 0, 2, ' ', 0)
	sized := slices.ContainsFunc(found, func(h hunted) bool { return h.small != "" })
	head := "MUTANT\tCAUGHT BY\tSCENARIO\tSEED\tRUNS\tCPU SECONDS"
	if sized {
		head += "\tAFTER SHRINKING"
	}
	fmt.Fprintln(table, head)
	caught, wrong := 0, 0
	var cpu float64
	for i := range found {
		h := &found[i]
		by, scenario, seed := h.verdict(), "-", "-"
		if h.caught != "" {
			caught++
			scenario = h.scenario
			if h.seed > 0 { // a scope has none.
				seed = fmt.Sprint(h.seed)
			}
		}
		if h.wrong() {
			wrong++
		}
		cpu += h.cpu.Seconds()
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%d\t%.2f", h.mutant.Name, by, scenario, seed, h.runs, h.cpu.Seconds())
		if sized {
			fmt.Fprintf(table, "\t%s", h.small)
			if h.drawn != "" {
				fmt.Fprintf(table, ", from %s", h.drawn)
			}
		}
		fmt.Fprintln(table)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(io.out, "mutants=%d caught=%d survived=%d wrong=%d cpu=%.0fs\n", len(found), caught, len(found)-caught, wrong, cpu)
	if wrong > 0 {
		return errBroken
	}
	return nil
}
