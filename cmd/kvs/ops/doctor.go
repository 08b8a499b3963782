package ops

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"kvs/cmd/kvs/exit"
	"kvs/node/api"
	"kvs/node/daemon"
	"kvs/node/diagnosis"
	"kvs/node/host/config"
)

// Severities, as the checks of this machine use them.
const (
	problem = diagnosis.Problem
	warning = diagnosis.Warning
	fine    = diagnosis.Fine
)

// findings are those of the machine of a node, and of the node itself.
type findings struct{ diagnosis.Findings }

func newDoctor(env *Env) *cobra.Command {
	var output outputFlag
	cmd := &cobra.Command{
		Use:   "doctor [CONFIG...]",
		Short: "Say what is wrong with nodes and their cluster, and what to do",
		Long: `Examine the nodes of the given configurations, or all nodes of this user on this machine, and the
cluster as they see it: configuration and environment, data folder and disk, open files, certificates, seeds,
the process, its mode and its warnings, clocks, members that are unreachable, also in one direction only, voters,
versions, and data that differs. Nothing is changed.

Exit codes: 0 there is no problem (there may be warnings), 1 there is one, 2 the command line is wrong.`,
		ValidArgsFunction: env.Complete,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := output.check(); err != nil {
				return err
			}
			ctx, done := env.Interruptible(cmd.Context())
			defer done()
			list, err := env.examine(ctx, args)
			if err != nil {
				return err
			}
			if output.format == "json" {
				err = printJSON(env.Out, map[string]any{"findings": list})
			} else {
				err = writeFindings(env.Out, list)
			}
			if err == nil && slices.ContainsFunc(list, func(f api.Finding) bool { return f.Severity == problem }) {
				err = exit.With(exit.Failed, nil)
			}
			return err
		},
	}
	output.add(cmd, "text", "json")
	return cmd
}

// examine runs all checks.
func (e *Env) examine(ctx context.Context, args []string) ([]api.Finding, error) {
	d, err := e.Daemon()
	if err != nil {
		return nil, err
	}
	instances, err := e.instances(d, args)
	if err != nil {
		return nil, err
	}
	var all []api.Finding
	misspelled := config.MisspelledVariables(e.Environ())
	for _, name := range slices.Sorted(maps.Keys(misspelled)) {
		all = append(all, api.Finding{Severity: warning, Subject: "environment", Check: "variables",
			What: name + " sets no key of a configuration", Do: "rename it to " + misspelled[name] + ", or remove it"})
	}
	clusters := map[string]*views{}
	for _, inst := range instances {
		found, status, cfg := e.examineNode(ctx, d, inst)
		all = append(all, found...)
		if status == nil {
			continue
		}
		if clusters[status.Cluster] == nil {
			clusters[status.Cluster] = &views{cfg: cfg, Views: diagnosis.Views{
				By: map[string]*api.Status{}, ExpectedMembers: cfg.ExpectedMembers}}
		}
		clusters[status.Cluster].By[status.ID] = status
	}
	for _, name := range slices.Sorted(maps.Keys(clusters)) {
		e.askMembers(ctx, clusters[name])
		all = append(all, clusters[name].Examine(name)...)
	}
	return all, nil
}

// examineNode checks one node of this machine. Its status is nil when it does not answer.
func (e *Env) examineNode(
	ctx context.Context, d *daemon.Daemon, inst daemon.Instance,
) (_ []api.Finding, status *api.Status, cfg *config.Config) {
	f := &findings{diagnosis.Findings{Subject: inst.Name}}
	cfg, err := config.Read(inst.Config)
	if err != nil {
		for _, line := range problems(err) {
			f.Add(problem, "configuration", "change it, and run kvs config check "+inst.Config, "%s", line)
		}
		return f.List, nil, nil
	}
	f.WellUnless(0, "configuration")
	f.examineDisk(cfg)
	f.examineLimits()
	f.examineCertificates(cfg, e.Now())
	f.examineSeeds(ctx, cfg)
	n := len(f.List)
	report, err := d.Status(ctx, inst)
	switch {
	case err != nil:
		f.Add(problem, "process", "look at the file", "%s", err)
	case report.State == daemon.StateStopped:
		f.Add(problem, "process", "kvs start "+inst.Config, "the node does not run in the background")
	case report.State != daemon.StateRunning:
		f.Add(problem, "process", "kvs logs "+inst.Config+" says why; then kvs start "+inst.Config,
			"the node is %s: %s", report.State, report.Detail)
	case !report.Record.Serving():
		f.Add(warning, "process", "wait, and look at kvs logs "+inst.Config, "the node is starting")
	}
	if len(f.List) > n {
		return f.List, nil, cfg
	}
	f.WellUnless(n, "process")
	c, err := e.Dial(cfg, report.Record.Address, false, patience)
	if err == nil {
		defer c.Close()
		var st api.Status
		if st, err = c.Status(ctx); err == nil {
			f.Node(&st, cfg.MaxClockOffset)
			return f.List, &st, cfg
		}
	}
	f.Add(problem, "answers", "kvs logs "+inst.Config+" says what it does",
		"the process runs, and %s does not answer: %s", report.Record.Address, err)
	return f.List, nil, cfg
}

// writeFindings is for people.
func writeFindings(w io.Writer, list []api.Finding) error {
	counts := map[string]int{}
	subject := ""
	for i := range list {
		f := &list[i]
		counts[f.Severity]++
		if f.Subject != subject {
			subject = f.Subject
			fmt.Fprintln(w, subject)
		}
		fmt.Fprintf(w, "  %-8s %s", f.Severity, f.Check)
		if f.What != "" {
			fmt.Fprintf(w, ": %s", f.What)
		}
		fmt.Fprintln(w)
		if f.Do != "" {
			fmt.Fprintf(w, "  %-8s -> %s\n", "", f.Do)
		}
	}
	_, err := fmt.Fprintf(w, "%d problems, %d warnings, %d checks found nothing\n", counts[problem], counts[warning],
		counts[fine])
	return err
}
