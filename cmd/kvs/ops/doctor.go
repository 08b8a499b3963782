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
	"kvs/node/host/config"
)

// severity is how bad a finding is.
type severity string

const (
	problem severity = "problem" // something does not work, or soon will not.
	warning severity = "warning" // it works, and is not as it should be.
	fine    severity = "ok"
)

// finding is the result of one check.
type finding struct {
	Severity severity `json:"severity"`
	Subject  string   `json:"subject"` // the name of a node, or "cluster NAME".
	Check    string   `json:"check"`   // what was looked at, in a word or two.
	What     string   `json:"what,omitempty"`
	Do       string   `json:"do,omitempty"` // what helps.
}

// findings gather, in the order of the checks.
type findings struct {
	subject string
	list    []finding
}

func (f *findings) add(s severity, check, do, format string, args ...any) {
	f.list = append(f.list, finding{s, f.subject, check, fmt.Sprintf(format, args...), do})
}

// wellUnless adds that a check found nothing, if nothing has been added since there were n findings.
func (f *findings) wellUnless(n int, check string) {
	if len(f.list) == n {
		f.list = append(f.list, finding{Severity: fine, Subject: f.subject, Check: check})
	}
}

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
			if err == nil && slices.ContainsFunc(list, func(f finding) bool { return f.Severity == problem }) {
				err = exit.With(exit.Failed, nil)
			}
			return err
		},
	}
	output.add(cmd, "text", "json")
	return cmd
}

// examine runs all checks.
func (e *Env) examine(ctx context.Context, args []string) ([]finding, error) {
	d, err := e.Daemon()
	if err != nil {
		return nil, err
	}
	instances, err := e.instances(d, args)
	if err != nil {
		return nil, err
	}
	var all []finding
	misspelled := config.MisspelledVariables(e.Environ())
	for _, name := range slices.Sorted(maps.Keys(misspelled)) {
		all = append(all, finding{warning, "environment", "variables", name + " sets no key of a configuration",
			"rename it to " + misspelled[name] + ", or remove it"})
	}
	clusters := map[string]*views{}
	for _, inst := range instances {
		found, status, cfg := e.examineNode(ctx, d, inst)
		all = append(all, found...)
		if status == nil {
			continue
		}
		if clusters[status.Cluster] == nil {
			clusters[status.Cluster] = &views{by: map[string]*api.Status{}, cfg: cfg}
		}
		clusters[status.Cluster].by[status.ID] = status
	}
	for _, name := range slices.Sorted(maps.Keys(clusters)) {
		e.askMembers(ctx, clusters[name])
		all = append(all, clusters[name].examine(name)...)
	}
	return all, nil
}

// examineNode checks one node of this machine. Its status is nil when it does not answer.
func (e *Env) examineNode(
	ctx context.Context, d *daemon.Daemon, inst daemon.Instance,
) (_ []finding, status *api.Status, cfg *config.Config) {
	f := &findings{subject: inst.Name}
	cfg, err := config.Read(inst.Config)
	if err != nil {
		for _, line := range problems(err) {
			f.add(problem, "configuration", "change it, and run kvs config check "+inst.Config, "%s", line)
		}
		return f.list, nil, nil
	}
	f.wellUnless(0, "configuration")
	f.examineDisk(cfg)
	f.examineLimits()
	f.examineCertificates(cfg, e.Now())
	f.examineSeeds(ctx, cfg)
	n := len(f.list)
	report, err := d.Status(ctx, inst)
	switch {
	case err != nil:
		f.add(problem, "process", "look at the file", "%s", err)
	case report.State == daemon.StateStopped:
		f.add(problem, "process", "kvs start "+inst.Config, "the node does not run in the background")
	case report.State != daemon.StateRunning:
		f.add(problem, "process", "kvs logs "+inst.Config+" says why; then kvs start "+inst.Config,
			"the node is %s: %s", report.State, report.Detail)
	case !report.Record.Serving():
		f.add(warning, "process", "wait, and look at kvs logs "+inst.Config, "the node is starting")
	}
	if len(f.list) > n {
		return f.list, nil, cfg
	}
	f.wellUnless(n, "process")
	c, err := e.Dial(cfg, report.Record.Address, false)
	if err == nil {
		defer c.Close()
		var st api.Status
		if st, err = c.Status(ctx); err == nil {
			f.examineStatus(&st, cfg)
			return f.list, &st, cfg
		}
	}
	f.add(problem, "answers", "kvs logs "+inst.Config+" says what it does",
		"the process runs, and %s does not answer: %s", report.Record.Address, err)
	return f.list, nil, cfg
}

// writeFindings is for people.
func writeFindings(w io.Writer, list []finding) error {
	counts := map[severity]int{}
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
