package simcmd

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"kvs/linearize"
	"kvs/sim"
	drawing "kvs/sim/report"
	"kvs/sim/scenario"
	"kvs/sim/simcmd/document"
)

// The output formats of commands.
const (
	outputText = "text"
	outputJSON = "json"
)

// output is the flag --output.
type output struct{ format string }

// addFlag adds the flag, and refuses other formats before the command runs. It keeps a PreRunE that is there already.
func (o *output) addFlag(cmd *cobra.Command) {
	formats := []string{outputText, outputJSON}
	cmd.Flags().StringVarP(&o.format, "output", "o", outputText, "output format: "+strings.Join(formats, " or "))
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp))
	before := cmd.PreRunE
	cmd.PreRunE = func(cmd *cobra.Command, args []string) error {
		if !slices.Contains(formats, o.format) {
			return fmt.Errorf("--output %q: use %s", o.format, strings.Join(formats, " or "))
		}
		if before != nil {
			return before(cmd, args)
		}
		return nil
	}
}

func (o *output) json() bool { return o.format == outputJSON }

// completeScenarios completes a flag with the names of the scenarios, and with files.
func (t *Tools) completeScenarios(cmd *cobra.Command, flag string) {
	complete := func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		var names []string
		if system := t.System(); system != nil {
			names = system.Scenarios.Names()
		}
		return names, cobra.ShellCompDirectiveDefault
	}
	_ = cmd.RegisterFlagCompletionFunc(flag, complete)
}

// page is a run to draw.
type page struct {
	drawn     *scenario.Scenario
	result    *sim.Result
	recording *sim.Recording
	replay    string       // default: the command for the seed.
	suffix    string       // of the file's name, before the extension.
	other     drawing.Link // to another page of the same failure.
}

// file is the name of the page's file.
func (p *page) file() string {
	return fmt.Sprintf("%s-%d%s.html", filepath.Base(p.result.Scenario), p.result.Seed, p.suffix)
}

// writeReport draws a run as a page in the folder, and returns the file.
func (e *Experiment) writeReport(folder string, p *page) (string, error) {
	res := p.result
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", fmt.Errorf("report: %w; choose another folder with --report", err)
	}
	system := e.tools.System().System
	r := drawing.Run{Scenario: p.drawn, Result: res, Recording: p.recording, Replay: p.replay, Other: p.other,
		Meaning: func(promise string) string { return document.Meaning(system, promise) }}
	if r.Replay == "" {
		r.Replay = e.replayCommand(res.Seed)
	}
	if res.Linearized != nil {
		var picture bytes.Buffer
		switch err := res.Linearized.WriteHTML(&picture); {
		case err == nil:
			r.Picture = picture.Bytes()
		case !errors.Is(err, linearize.ErrNoPicture):
			return "", err
		}
	}
	path := filepath.Join(folder, p.file())
	f, err := os.Create(path)
	if err != nil {
		return "", fmt.Errorf("report: %w; choose another folder with --report", err)
	}
	return path, errors.Join(drawing.Write(f, &r), f.Close())
}
