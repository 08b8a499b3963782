package simcmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"kvs/sim/simcmd/document"
	"kvs/sim/simcmd/planted"
)

// replayOf is the command that shows how a mutant breaks again. It builds the mutant, which is not in the source.
func (t *Tools) replayOf(mutant, scenario string, seed uint64) string {
	cmd := fmt.Sprintf("%s mutants", t.App.program())
	if len(t.App.Systems) > 1 {
		cmd += " --system " + t.chosen
	}
	cmd += " --only " + mutant
	if seed == 0 { // a scope of explore, which is the first thing that the hunt does.
		return cmd
	}
	return fmt.Sprintf("%s --scenario %s --seed %d", cmd, scenario, seed)
}

// replayPattern is replayOf for any row of a table.
func (t *Tools) replayPattern() string {
	return strings.ReplaceAll(t.replayOf("MUTANT", "SCENARIO", 1), "--seed 1", "--seed SEED")
}

// replay is the command that shows again how the mutant was caught; empty: it was not.
func (h *hunted) replay(t *Tools) string {
	if h.caught == "" {
		return ""
	}
	return t.replayOf(h.mutant.Name, h.scenario, h.seed)
}

// again builds one mutant, and runs one seed with it, as run does.
func (o *mutantsOptions) again(ctx context.Context, io IO) error {
	if len(o.only) != 1 || len(o.hunt.scenarios) != 1 {
		return errors.New("--seed runs one mutant once: name it with --only, and the scenario with --scenario")
	}
	all, err := o.choose()
	if err != nil {
		return err
	}
	if err := o.hunt.prepare(); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", planted.Prefix)
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	program, err := o.hunt.builder().Build(ctx, dir, &all[0])
	if err != nil {
		return err
	}
	args := o.hunt.tools.arguments("run", "--scenario", o.hunt.scenarios[0], "--seed", fmt.Sprint(o.seed),
		"--mutant", all[0].Name, "--output", o.format)
	if o.page != "" {
		args = append(args, "--report", o.page)
	}
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stdout, cmd.Stderr = io.Out, io.Err
	var exit *exec.ExitError
	switch err = cmd.Run(); {
	case errors.As(err, &exit) && exit.ExitCode() == ExitBroken:
		return ErrBroken
	case err != nil:
		return fmt.Errorf("mutant %s: its run ended badly: %w", all[0].Name, err)
	}
	fmt.Fprintf(io.Err, "seed %d of %s does not show the mutant %s\n", o.seed, o.hunt.scenarios[0], all[0].Name)
	return nil
}

func huntDocument(t *Tools, found []hunted) *document.Hunt {
	out := &document.Hunt{Mutants: []document.Mutant{}}
	for i := range found {
		h := &found[i]
		m := document.Mutant{Name: h.mutant.Name, About: h.mutant.About, Source: h.mutant.Source, Caught: h.caught,
			Runs: h.runs, CPUSeconds: h.cpu.Seconds(), Survives: h.mutant.Survives, Wrong: h.wrong(),
			Replay: h.replay(t), Small: h.small}
		if h.err != nil {
			m.Error = h.err.Error()
		}
		if h.caught != "" {
			m.Scenario, m.Seed = h.scenario, h.seed
			out.Caught++
		} else {
			out.Survived++
		}
		if m.Wrong {
			out.Wrong++
		}
		out.CPUSeconds += m.CPUSeconds
		out.Mutants = append(out.Mutants, m)
	}
	return out
}
