package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"kvs/node/daemon"
)

type statusOptions struct{ output outputFormat }

func newStatus(a *app) *cobra.Command {
	var o statusOptions
	cmd := &cobra.Command{
		Use:   "status [CONFIG...]",
		Short: "Show background nodes: state, pid, address, uptime, mode, members",
		Long: `Show the nodes of the given configurations, or all nodes of this user on this machine.

A PID file whose process is gone, or whose number now belongs to another process, is reported
once as dead and removed. A PID file that cannot be read or is of another version is shown as unknown
and kept. Members that the running nodes know and cannot reach are shown as unreachable,
unless configurations are given. Exit codes: 0 every node runs, 1 one is dead with a PID file or
unknown, 3 one does not run (and none is dead), or none is known. Unless configurations are given: 1
also when the majority of the voters is lost, 3 also when a member is unreachable.`,
		ValidArgsFunction: a.completeNodes,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.status(cmd.Context(), args, o)
		},
	}
	o.output.addFlag(cmd, "table", "json")
	return cmd
}

func (a *app) status(ctx context.Context, args []string, o statusOptions) error {
	if err := o.output.check(); err != nil {
		return err
	}
	d, err := a.openDaemon()
	if err != nil {
		return err
	}
	ctx, done := a.interruptible(ctx)
	defer done()
	reports, err := a.reports(ctx, d, args)
	if err != nil {
		return err
	}
	var away []unreachable
	if len(args) == 0 {
		away = unreachableMembers(reports)
	}
	if o.output.is("json") {
		err = writeStatusJSON(a.out, reports, away)
	} else if len(reports) > 0 {
		err = writeStatusTable(a.out, reports, away)
	}
	if err != nil {
		return err
	}
	for _, r := range reports {
		if r.Detail != "" && !r.State.Stale() { // a stale PID file was reported when it was removed.
			a.say("%s", comment(r))
		}
	}
	a.sayWhatIsMissing(reports, away)
	if len(reports) == 0 {
		a.say("no node of this user runs; start one with: kvs start CONFIG.yaml")
	}
	code := statusCode(reports)
	switch {
	case len(args) > 0:
	case slices.ContainsFunc(reports, func(r daemon.Report) bool { return r.Health.LostMajority() }):
		code = exitFailed
	case len(away) > 0 && code == exitOK:
		code = exitNotRunning
	}
	if code != exitOK {
		return coded(code, nil)
	}
	return nil
}

// comment is the commentary on a report beside its line.
func comment(r daemon.Report) string {
	if r.State == daemon.StateUnknown { // it is not known whether it has a log.
		return r.Name + ": " + r.Detail
	}
	return fmt.Sprintf("%s: %s; see kvs logs %s", r.Name, r.Detail, r.Config)
}

func (a *app) reports(ctx context.Context, d *daemon.Daemon, args []string) ([]daemon.Report, error) {
	if len(args) == 0 {
		return d.StatusAll(ctx)
	}
	instances, err := a.findAll(d, args, exitNotRunning)
	if err != nil {
		return nil, err
	}
	reports := each(instances, func(inst daemon.Instance) daemon.Report {
		r, err := d.Status(ctx, inst)
		if err != nil { // the others are shown nevertheless.
			return daemon.Report{Name: inst.Name, Config: inst.Config, State: daemon.StateUnknown, Detail: err.Error()}
		}
		return r
	})
	d.FindSilent(ctx, reports)
	return reports, nil
}

// statusCode is the exit code for all: a dead or unknown node outweighs one that does not run, which outweighs those
// that run.
func statusCode(reports []daemon.Report) exitCode {
	code := exitOK
	if len(reports) == 0 {
		code = exitNotRunning
	}
	for _, r := range reports {
		switch {
		case r.State.Stale() || r.State == daemon.StateUnknown:
			return exitFailed
		case r.State == daemon.StateStopped:
			code = exitNotRunning
		}
	}
	return code
}

// writeStatusTable is the answer for people; scripts use JSON.
func writeStatusTable(w io.Writer, reports []daemon.Report, away []unreachable) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "NAME\tSTATE\tPID\tADDRESS\tUPTIME\tMODE\tMEMBERS\tDIGEST\tCONFIG")
	for _, r := range reports {
		pid, address, uptime := "-", "-", "-"
		if r.State == daemon.StateRunning {
			pid, uptime = strconv.Itoa(r.Record.PID), shortDuration(r.Uptime)
			address = orDash(r.Record.Address)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n",
			r.Name, shownState(r.State), pid, address, uptime, shownMode(r), shownMembers(r), orDash(r.Health.Digest),
			orDash(r.Config))
	}
	for _, m := range away {
		fmt.Fprintf(t, "%s\t%s\t-\t%s\t-\t-\t-\t-\t-\n", m.Name, stateUnreachable, orDash(m.Address))
	}
	return t.Flush()
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// shownState is one of four words: all stale kinds are dead.
func shownState(s daemon.State) string {
	if s.Stale() {
		return string(daemon.StateDead)
	}
	return string(s)
}

func shownMode(r daemon.Report) string {
	switch {
	case r.State != daemon.StateRunning:
		return "-"
	case !r.Record.Serving():
		return "starting"
	case !r.Answers:
		return "no answer"
	case r.Health.Mode == daemon.ModeStarting:
		return daemon.ModeStarting
	case r.Health.Bootstrap != nil && !r.Health.Ready:
		return r.Health.Mode + " " + shortProgress(*r.Health.Bootstrap)
	case !r.Health.Ready:
		return r.Health.Mode + ", not ready"
	}
	return r.Health.Mode
}

// shownMembers is "alive/all", those that left or were removed not counted.
func shownMembers(r daemon.Report) string {
	if !r.Answers {
		return "-"
	}
	alive, all := 0, 0
	for _, m := range r.Health.Members {
		switch m.State {
		case "left", "removed":
			continue
		case "alive":
			alive++
		}
		all++
	}
	return fmt.Sprintf("%d/%d alive", alive, all)
}

// shortDuration prints two units at most: 3d4h, 4h5m, 5m6s, 6s.
func shortDuration(d time.Duration) string {
	days, hours := d/(24*time.Hour), d/time.Hour%24
	minutes, seconds := d/time.Minute%60, d/time.Second%60
	switch {
	case days > 0:
		return fmt.Sprintf("%dd%dh", days, hours)
	case hours > 0:
		return fmt.Sprintf("%dh%dm", hours, minutes)
	case minutes > 0:
		return fmt.Sprintf("%dm%ds", minutes, seconds)
	}
	return fmt.Sprintf("%ds", seconds)
}

// nodeJSON is one node of `kvs status -o json`, which prints an array of them. Fields are added, never renamed.
type nodeJSON struct {
	Name          string            `json:"name"`
	State         string            `json:"state"`           // running, dead, stopped, unknown or unreachable.
	Stale         string            `json:"stale,omitempty"` // why it is dead: dead, recycled, rebooted or corrupt.
	PID           int               `json:"pid,omitempty"`
	Address       string            `json:"address,omitempty"`
	Started       string            `json:"started,omitempty"`
	UptimeSeconds int64             `json:"uptime_seconds"`
	Answers       bool              `json:"answers"`
	Ready         bool              `json:"ready"`
	Mode          string            `json:"mode,omitempty"`
	Reasons       []string          `json:"reasons"`
	Members       []daemon.Member   `json:"members"`
	Voters        int               `json:"voters,omitempty"`       // their majority decides,
	VotersAlive   int               `json:"voters_alive,omitempty"` // and how many of them this node can reach.
	Retired       string            `json:"retired,omitempty"`      // why it is no longer a member.
	Bootstrap     *daemon.Bootstrap `json:"bootstrap,omitempty"`
	// of all its data: equal on nodes that hold the same.
	Digest      string `json:"digest,omitempty"`
	ClockOffset *int64 `json:"clock_offset_millis,omitempty"` // of the peer whose clock differs most.
	CertExpires string `json:"certificate_expires,omitempty"` // RFC 3339; absent without TLS.
	Config      string `json:"config"`
	Log         string `json:"log"`
	Version     string `json:"version,omitempty"` // of the kvs that runs.
	Detail      string `json:"detail,omitempty"`
}

func writeStatusJSON(w io.Writer, reports []daemon.Report, away []unreachable) error {
	out := make([]nodeJSON, 0, len(reports)+len(away))
	for _, r := range reports {
		n := nodeJSON{
			Name: r.Name, State: shownState(r.State), PID: r.Record.PID, Address: r.Record.Address,
			UptimeSeconds: int64(r.Uptime.Seconds()), Answers: r.Answers, Ready: r.Health.Ready, Mode: r.Health.Mode,
			Reasons: append([]string{}, r.Health.Reasons...), Members: append([]daemon.Member{}, r.Health.Members...),
			Bootstrap: r.Health.Bootstrap, ClockOffset: r.Health.ClockOffsetMillis, Digest: r.Health.Digest,
			Config: r.Config, Log: r.Log, Version: r.Record.Version, Detail: strings.TrimSpace(r.Detail),
		}
		if r.State.Stale() {
			n.Stale = string(r.State)
		}
		if !r.Record.Started.IsZero() {
			n.Started = r.Record.Started.Format(time.RFC3339)
		}
		if h := r.Health; r.Answers {
			if h.CertificateExpires != nil {
				n.CertExpires = h.CertificateExpires.UTC().Format(time.RFC3339)
			}
			n.Voters, n.VotersAlive, n.Retired = h.Voters, h.VotersAlive, h.Retired
		}
		out = append(out, n)
	}
	for _, m := range away {
		out = append(out, nodeJSON{
			Name: m.Name, State: stateUnreachable, Address: m.Address, Reasons: []string{}, Members: []daemon.Member{},
			Detail: "a member that " + m.by + " cannot reach",
		})
	}
	return writeJSON(w, out)
}

func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}
