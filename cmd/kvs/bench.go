package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"kvs/node/client/load"
)

type benchOptions struct {
	client clientOptions
	output outputFormat
	load   load.Options
	op     string
	prefix string
}

func newBenchCommand(a *app) *cobra.Command {
	o := benchOptions{load: load.Options{Seed: 1}}
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure a cluster: throughput, latency, errors",
		Long: `Measure a cluster with one kind of operation: throughput, latency percentiles, errors by code.

It writes its keys below a directory of its own and removes them at the end. A --prefix that is not empty is refused.
Clients are spread over all endpoints. An operation is tried once: what a node refuses counts as an error. What is under
way at the end is waited for: its latency and its error count, and it is not in the operations a second.

  put    write a random key
  get    read a random key
  cas    replace the value of a random key by compare-and-set, until it succeeds (--keys 1: all clients fight for one)
  mixed  get with the probability --reads, else put

With --rate the load is open: each operation has a planned moment, and its latency counts from that moment, so a stall
of the cluster shows in all operations that were due meanwhile. Without it, each client begins the next operation when
the one before has ended.`,
		Example: `  kvs bench --op put --consistency linearizable --clients 64 --duration 30s
  kvs bench --endpoint 10.0.0.1:7001 --endpoint 10.0.0.2:7001 --op mixed --reads 0.95 --rate 2000 -o json`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.bench(cmd.Context(), o) },
	}
	o.client.addFlags(cmd, true)
	f := cmd.Flags()
	f.Lookup("timeout").Usage = "how long one operation may take"
	o.output.addFlag(cmd, "text", "json")
	f.StringVar(&o.op, "op", string(load.Put), "what to measure: put, get, cas or mixed")
	_ = cmd.RegisterFlagCompletionFunc("op",
		cobra.FixedCompletions([]string{"put", "get", "cas", "mixed"}, cobra.ShellCompDirectiveNoFileComp))
	f.IntVar(&o.load.Clients, "clients", 64, "operations at once")
	f.IntVar(&o.load.Keys, "keys", 10_000, "keys to choose from, all alike")
	f.IntVar(&o.load.Bytes, "size", 256, "bytes of each value")
	f.DurationVar(&o.load.Duration, "duration", 10*time.Second,
		"how long to measure, without the making and removing of keys")
	f.Float64Var(&o.load.Rate, "rate", 0, "operations a second over all clients (0: as many as possible)")
	f.Float64Var(&o.load.Reads, "reads", 0.9, "share of reads in --op mixed")
	f.Uint64Var(&o.load.Seed, "seed", o.load.Seed, "draws keys and values")
	f.StringVar(&o.prefix, "prefix", "",
		"directory of the keys, which must be empty (default: a new one, kvs-bench-...)")
	f.BoolVar(&o.load.Keep, "keep", false, "leave the keys at the end")
	return cmd
}

// bench measures and prints what it found.
func (a *app) bench(ctx context.Context, o benchOptions) error {
	if err := o.output.check(); err != nil {
		return err
	}
	if err := positive("timeout", o.client.timeout); err != nil {
		return err
	}
	var err error
	if o.load.Level, err = o.client.level(); err != nil {
		return err
	}
	o.load.Op = load.Op(o.op)
	o.load.Prefix = strings.Trim(o.prefix, "/") + "/"
	if o.prefix == "" {
		var id [8]byte
		_, _ = rand.Read(id[:]) // rand.Read never fails.
		o.load.Prefix = "kvs-bench-" + hex.EncodeToString(id[:]) + "/"
	}
	if err := o.load.Check(); err != nil {
		return coded(exitUsage, err)
	}
	to, err := o.client.access(a.getenv)
	if err != nil {
		return coded(exitUsage, err)
	}
	stores, err := a.connectLoad(to, o.load.Clients, o.client.timeout)
	if err != nil {
		return coded(exitUsage, err)
	}
	ctx, done := a.interruptible(ctx)
	defer done()
	line := newLoadLine(a)
	o.load.Progress = line.show
	report, err := load.Run(ctx, stores, o.load)
	line.done()
	if errors.Is(err, load.ErrPrefixInUse) {
		return coded(exitRefused, err)
	}
	if report != nil {
		if o.output.is("json") {
			err = errors.Join(err, writeJSON(a.out, report))
		} else {
			err = errors.Join(err, writeReport(a.out, report))
		}
	}
	if err != nil {
		return withCode(err)
	}
	if report.Operations == 0 {
		return coded(exitFailed, errors.New("no operation succeeded"))
	}
	return nil
}

// writeReport prints a report for people.
func writeReport(w io.Writer, r *load.Report) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "operation\t%s, %s, %d clients, %d keys, values of %d bytes\n", r.Op, r.Consistency, r.Clients,
		r.Keys, r.Bytes)
	if r.LoadSeconds > 0 {
		fmt.Fprintf(t, "keys made\t%d in %.1f s, %.0f a second\n", r.Keys, r.LoadSeconds, float64(r.Keys)/r.LoadSeconds)
	}
	ended := ""
	if r.Interrupted {
		ended = " (interrupted)"
	}
	fmt.Fprintf(t, "succeeded\t%d in %.1f s%s\n", r.Operations, r.Seconds, ended)
	asked := ""
	if r.Rate > 0 {
		asked = fmt.Sprintf(" of %.0f asked for", r.Rate)
	}
	fmt.Fprintf(t, "throughput\t%.0f operations a second%s\n", r.PerSecond, asked)
	if r.AttemptsMean > 0 {
		fmt.Fprintf(t, "attempts\t%.2f an operation\n", r.AttemptsMean)
	}
	writeLatency(t, "latency", &r.Latency)
	fmt.Fprintf(t, "errors\t%d\n", r.ErrorsInAll)
	for _, code := range slices.Sorted(maps.Keys(r.Errors)) {
		fmt.Fprintf(t, "  %s\t%d\n", code, r.Errors[code])
	}
	if r.ErrorsLatency != nil {
		writeLatency(t, "their latency", r.ErrorsLatency)
	}
	return t.Flush()
}

func writeLatency(w io.Writer, name string, l *load.Latency) {
	fmt.Fprintf(w, "%s\tp50 %.2f ms, p90 %.2f, p99 %.2f, p99.9 %.2f, max %.2f (mean %.2f, min %.2f)\n", name, l.P50,
		l.P90, l.P99, l.P999, l.Max, l.Mean, l.Min)
}

// loadLine shows the progress of a measurement: one line that is redrawn on a terminal, a line every ten seconds
// elsewhere.
type loadLine struct {
	app      *app
	terminal bool
	phase    load.Phase
	saidAt   time.Duration
}

const loadLineInterval = 10 * time.Second

func newLoadLine(a *app) *loadLine {
	f, ok := a.err.(*os.File)
	if !ok {
		return &loadLine{app: a}
	}
	info, err := f.Stat()
	return &loadLine{app: a, terminal: err == nil && info.Mode()&os.ModeCharDevice != 0}
}

func (l *loadLine) show(p load.Progress) {
	l.app.mu.Lock()
	defer l.app.mu.Unlock()
	text := loadText(p)
	if l.terminal {
		l.app.drawn = true
		fmt.Fprintf(l.app.err, "\r\x1b[K%s", text)
		return
	}
	if l.phase == p.Phase && p.Elapsed-l.saidAt < loadLineInterval {
		return
	}
	l.phase, l.saidAt = p.Phase, p.Elapsed
	fmt.Fprintln(l.app.err, text)
}

// loadText is "measuring: 12345 operations, 6172 a second, 0 errors, 8s left".
func loadText(p load.Progress) string {
	of := ""
	if p.Total > 0 {
		of = fmt.Sprintf(" of %d", p.Total)
	}
	text := fmt.Sprintf("%s: %d%s operations, %.0f a second, %d errors", p.Phase, p.Done, of, p.LastSecond, p.Errors)
	left := p.Left
	if p.Total > 0 && p.Done > 0 {
		left = time.Duration(float64(p.Elapsed) * float64(p.Total-p.Done) / float64(p.Done))
	}
	if left > 0 {
		text += ", " + shortDuration(left) + " left"
	}
	return text
}

func (l *loadLine) done() {
	l.app.mu.Lock()
	defer l.app.mu.Unlock()
	l.app.wipeBar()
}
