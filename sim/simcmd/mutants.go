package simcmd

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"kvs/sim/mutants"
	"kvs/sim/scenario"
	"kvs/sim/simcmd/document"
	"kvs/sim/simcmd/planted"
)

type mutantsOptions struct {
	list     bool
	markdown bool // print the tables for a README before the other one.
	hunt     huntOptions
	only     []string
	jobs     int
	seed     uint64 // run one mutant once, with this seed; zero: hunt.
	page     string // with seed: folder for the page that shows the run; empty: none.
	output
}

func (t *Tools) newMutantsCommand() *cobra.Command {
	o := mutantsOptions{hunt: huntOptions{tools: t}}
	cmd := &cobra.Command{
		Use:   "mutants",
		Short: "Plant known bugs one by one, and count the runs until each is found",
		Long: `mutants proves that the simulator finds bugs. It plants named bugs one by one, as edits of the source
applied with go build -overlay, and runs seeds of several scenarios with each until a promise breaks. Every second run
is of the first scenario, the others take turns: without --scenario, those that the mutant's own file names are the
first, then comes the usual one, then all others. For a few mutants the file names a scope of explore; it is explored
first, and has neither seed nor runs. The table says which promises broke, where, after how many runs and how much CPU
time.

With --seed it builds one mutant (--only) and runs one seed of one scenario with it, as run does. So the failure that a
hunt has found is shown again, although the bug is not in the source.

It needs the source and the go command. What breaks is run again with the program without the bug, and counts for
nothing if that breaks too. This, a bug that nothing finds, an edit that no longer fits the source, and a bug that is
found although its file says that none can find it, are failures.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return o.run(t.IO) },
	}
	f := cmd.Flags()
	f.BoolVar(&o.list, "list", false, "print the mutants, one a line, and do nothing")
	f.BoolVar(&o.markdown, "markdown", false, "print first the tables for a README; with --shrink, the sizes as well")
	f.StringSliceVar(&o.only, "only", nil, "names of the mutants to hunt; default: all")
	f.StringSliceVar(&o.hunt.scenarios, "scenario", nil,
		"names of the scenarios to hunt in; default: those that the mutant's file names, the usual one, and all others")
	f.IntVar(&o.hunt.runs, "seeds", 2000,
		"seeds run with one mutant, over all scenarios, before it counts as a survivor")
	f.DurationVar(&o.hunt.seedTimeout, "seed-timeout", defaultSeedTimeout,
		"end a run that takes more CPU time than this, as a failure")
	f.DurationVar(&o.hunt.explore, "explore", 2*time.Minute, "how long to explore the scope that a mutant's file names")
	f.DurationVar(&o.hunt.shrink, "shrink", 0,
		"make each failure smaller, for so long at most, and show its size; 0: do not")
	f.IntVar(&o.jobs, "jobs", runtime.NumCPU(), "mutants hunted at once")
	f.Lookup("jobs").DefValue = "the number of CPUs"
	f.StringVar(&o.hunt.root, "source", "",
		"folder with the go.mod of this program; default: found from the working directory up")
	f.Uint64Var(&o.seed, "seed", 0, "with one --only and one --scenario: run this seed once with the mutant; 0: hunt")
	f.StringVar(&o.page, "report", "", "with --seed: draw the run as one HTML page in this folder")
	t.completeScenarios(cmd, "scenario")
	_ = cmd.RegisterFlagCompletionFunc("only",
		func(*cobra.Command, []string, string) (names []string, _ cobra.ShellCompDirective) {
			all, _ := o.choose()
			for i := range all {
				names = append(names, all[i].Name)
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		})
	o.output.addFlag(cmd)
	return cmd
}

func (o *mutantsOptions) run(io IO) error {
	all, err := o.choose()
	if err != nil {
		return err
	}
	if o.list {
		if o.json() {
			return document.Print(io.Out, huntDocument(o.hunt.tools, unhunted(all)).Mutants)
		}
		return listMutants(io, all)
	}
	if o.page != "" && o.seed == 0 {
		return errors.New("--report draws one run: name it with --only, --scenario and --seed")
	}
	if o.markdown && o.json() {
		return errors.New("--markdown and --output json exclude each other")
	}
	if o.jobs < 1 || o.hunt.runs < 1 || o.hunt.seedTimeout <= 0 {
		return errors.New("--jobs, --seeds and --seed-timeout must be above zero")
	}
	if err := o.hunt.prepare(); err != nil {
		return err
	}
	ctx, stop := UntilSignal()
	defer stop()
	if o.seed != 0 {
		return o.again(ctx, io)
	}
	found := o.huntAll(ctx, io, all)
	if o.markdown {
		printHunt(io, found, o.hunt.shrink)
	}
	if err = o.report(io, found); err != nil && !errors.Is(err, ErrBroken) {
		return err
	}
	if ctx.Err() != nil && len(found) < len(all) {
		return fmt.Errorf("%w: %d of %d mutants were hunted", ErrInterrupted, len(found), len(all))
	}
	return err
}

// choose returns the mutants asked for.
func (o *mutantsOptions) choose() ([]mutants.Mutant, error) {
	known := o.hunt.tools.System().Mutants
	if known == nil {
		return nil, fmt.Errorf("the system %s has no mutants: give it some in simcmd.System.Mutants",
			o.hunt.tools.chosen)
	}
	all, err := mutants.Load(known.List)
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
			return nil, fmt.Errorf("no mutant %q: see %s mutants --list", name, o.hunt.tools.App.program())
		}
	}
	return out, nil
}

func listMutants(io IO, all []mutants.Mutant) error {
	table := tabwriter.NewWriter(io.Out, 0, 0, 2, ' ', 0)
	for i := range all {
		fmt.Fprintf(table, "%s\t%s (%s)\n", all[i].Name, all[i].About, all[i].Source)
	}
	return table.Flush()
}

// prepare finds the source and fills in the scenarios.
func (o *huntOptions) prepare() error {
	if o.root == "" {
		root, err := planted.FindModule(o.tools.System().Mutants.Module)
		if err != nil {
			return err
		}
		o.root = root
	}
	o.chosen = len(o.scenarios) > 0
	library := o.tools.System().Scenarios
	if !o.chosen {
		first := o.tools.System().DefaultScenario()
		o.scenarios = []string{first}
		for _, name := range library.Names() {
			s, err := library.Load(name)
			if err != nil {
				return err
			}
			// a scenario that is expected to break cannot find a bug.
			if name != first && !s.Expects(scenario.NotLinearizable) {
				o.scenarios = append(o.scenarios, name)
			}
		}
	}
	for _, name := range o.scenarios {
		if _, err := library.Load(name); err != nil {
			return err
		}
	}
	return nil
}

// huntAll hunts several mutants at once and returns their outcomes, in the order of all. When ctx ends, unfinished ones
// are left out.
func (o *mutantsOptions) huntAll(ctx context.Context, io IO, all []mutants.Mutant) []hunted {
	defer func() {
		if err := o.hunt.clean.Remove(); err != nil {
			fmt.Fprintln(io.Err, err)
		}
	}()
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
				if found[i] = (hunted{err: ErrInterrupted}); ctx.Err() == nil {
					found[i] = o.hunt.hunt(ctx, &all[i])
				}
				done <- i
			}
		}()
	}
	for n := range all {
		i := <-done
		if errors.Is(found[i].err, ErrInterrupted) {
			continue
		}
		fmt.Fprintf(io.Err, "%d of %d: %s: %s\n", n+1, len(all), all[i].Name, found[i].verdict())
		if found[i].caught != "" && len(all) == 1 {
			fmt.Fprint(io.Err, found[i].explained)
			if found[i].seed == 0 { // explore has no replay command of its own for a mutant.
				fmt.Fprintln(io.Err, "replay:", found[i].replay(o.hunt.tools))
			}
		}
	}
	return slices.DeleteFunc(found, func(h hunted) bool { return errors.Is(h.err, ErrInterrupted) })
}

// report prints what the hunt has found, and returns ErrBroken if a mutant did not end as it should.
func (o *mutantsOptions) report(io IO, found []hunted) error {
	if !o.json() {
		err := reportHunt(io, found)
		if slices.ContainsFunc(found, func(h hunted) bool { return h.caught != "" }) {
			fmt.Fprintf(io.Out, "replay one of them: %s\n", o.hunt.tools.replayPattern())
		}
		return err
	}
	hunt := huntDocument(o.hunt.tools, found)
	if err := document.Print(io.Out, hunt); err != nil {
		return err
	}
	if hunt.Wrong > 0 {
		return ErrBroken
	}
	return nil
}

// unhunted is the outcome of mutants that were not hunted, for a list.
func unhunted(all []mutants.Mutant) []hunted {
	out := make([]hunted, len(all))
	for i := range all {
		out[i].mutant = &all[i]
	}
	return out
}

// reportHunt prints the table and returns whether every mutant had the expected outcome.
func reportHunt(io IO, found []hunted) error {
	table := tabwriter.NewWriter(io.Out, 0, 0, 2, ' ', 0)
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
	fmt.Fprintf(io.Out, "mutants=%d caught=%d survived=%d wrong=%d cpu=%.0fs\n", len(found), caught,
		len(found)-caught, wrong, cpu)
	if wrong > 0 {
		return ErrBroken
	}
	return nil
}
