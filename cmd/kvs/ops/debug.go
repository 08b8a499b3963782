package ops

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"time"

	"github.com/spf13/cobra"

	"kvs/cmd/kvs/exit"
	"kvs/cmd/version"
	"kvs/node/client"
	"kvs/node/daemon"
	"kvs/node/host/config"
)

type bundleOptions struct {
	file    string
	seconds int
	lines   int
}

func newDebug(env *Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "debug",
		Short: "Gather what is needed to find a fault",
		Args:  args(cobra.NoArgs),
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newBundle(env), newRecord(env))
	return cmd
}

func newBundle(env *Env) *cobra.Command {
	var o bundleOptions
	cmd := &cobra.Command{
		Use:   "bundle [CONFIG...]",
		Short: "Write one file with configurations, logs, status, metrics and profiles of nodes",
		Long: `Write a .tar.gz with all that a person needs who looks for a fault in the nodes of the given
configurations, or in all nodes of this user on this machine: the report of kvs doctor, the version, and for
each node its settings without secrets, its status, metrics, the end of its log, and profiles of its process. What
a node does not give is named in errors.txt, and does not end the command.

Values are not in it. Paths of keys, names, addresses and IDs are: look through it before you pass it on.`,
		ValidArgsFunction: env.Complete,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, done := env.Interruptible(cmd.Context())
			defer done()
			return env.bundle(ctx, args, &o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.file, "file", "", "the file to write; default: kvs-debug-TIME.tar.gz in this folder")
	f.IntVar(&o.seconds, "seconds", 5, "how long the CPU of each node is profiled, 0 to 30; 0: not at all")
	f.IntVar(&o.lines, "lines", 10_000, "how many of the last lines of each log")
	return cmd
}

// newFile makes a file that only this user may read.
func newFile(name string) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("%w; choose another file with --file", err)
	}
	return f, nil
}

func (e *Env) bundle(ctx context.Context, args []string, o *bundleOptions) (err error) {
	if o.seconds < 0 || o.seconds > 30 || o.lines < 0 || o.lines > 100_000 {
		return exit.BadUsage("--seconds %d and --lines %d: use 0 to 30, and 0 to 100000", o.seconds, o.lines)
	}
	d, err := e.Daemon()
	if err != nil {
		return err
	}
	instances, err := e.instances(d, args)
	if err != nil {
		return err
	}
	if o.file == "" {
		o.file = "kvs-debug-" + e.Now().UTC().Format("20060102T150405Z") + ".tar.gz"
	}
	out, err := newFile(o.file)
	if err != nil {
		return err
	}
	z := gzip.NewWriter(out)
	b := &bundle{tar: tar.NewWriter(z), at: e.Now(), errors: &bytes.Buffer{}}
	b.document("version.json", version.Read())
	if found, err := e.examine(ctx, args); err != nil {
		b.failed("doctor.txt", err)
	} else {
		var text bytes.Buffer
		b.failed("doctor.txt", writeFindings(&text, found))
		b.add("doctor.txt", text.Bytes())
	}
	for _, inst := range instances {
		e.Say("%s", inst.Name)
		e.gather(ctx, d, inst, b, o)
	}
	if b.errors.Len() > 0 {
		b.add("errors.txt", bytes.Clone(b.errors.Bytes()))
	}
	if err := errors.Join(b.broken, b.tar.Close(), z.Close(), out.Sync(), out.Close()); err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", o.file, err), os.Remove(o.file))
	}
	_, err = fmt.Fprintln(e.Out, o.file)
	return err
}

// gather adds what there is to know about one node.
func (e *Env) gather(ctx context.Context, d *daemon.Daemon, inst daemon.Instance, b *bundle, o *bundleOptions) {
	name := func(file string) string { return path.Join(inst.Name, file) }
	report, err := d.Status(ctx, inst)
	b.failed(name("process.json"), err)
	b.document(name("process.json"), report)
	if text, _, err := daemon.Tail(d.Home.LogPath(inst), 0, o.lines); err != nil {
		b.failed(name("log.txt"), err)
	} else {
		b.add(name("log.txt"), text)
	}
	cfg, err := config.Read(inst.Config)
	if err != nil {
		b.failed(name("config.yaml"), err)
		return
	}
	shown := *cfg
	if shown.Auth.AdminHash != "" {
		shown.Auth.AdminHash = "(left out)"
	}
	b.add(name("config.yaml"), config.Render(shown))
	if report.State != daemon.StateRunning || !report.Record.Serving() {
		b.failed(name("status.json"), errors.New("the node does not serve"))
		return
	}
	c, err := e.Dial(cfg, report.Record.Address, false, patience)
	if err != nil {
		b.failed(name("status.json"), err)
		return
	}
	defer c.Close()
	e.ask(ctx, c, name, b, o)
}

// ask adds what the node itself says.
func (e *Env) ask(
	ctx context.Context, c *client.Client, name func(string) string, b *bundle, o *bundleOptions,
) {
	if st, err := c.Status(ctx); err != nil {
		b.failed(name("status.json"), err)
	} else {
		b.document(name("status.json"), st)
	}
	if text, err := c.Metrics(ctx); err != nil {
		b.failed(name("metrics.txt"), err)
	} else {
		b.add(name("metrics.txt"), text)
	}
	kinds := []string{"heap", "goroutine", "mutex", "block", "threadcreate"}
	if o.seconds > 0 {
		kinds = append(kinds, "cpu")
	}
	for _, kind := range kinds {
		file := name(kind + ".pprof")
		if profile, err := c.Profile(ctx, kind, max(o.seconds, 1)); err != nil {
			b.failed(file, err)
		} else {
			b.add(file, profile)
		}
	}
}

// bundle is the archive that is being written.
type bundle struct {
	tar    *tar.Writer
	at     time.Time
	errors *bytes.Buffer // what could not be gathered.
	broken error         // of the archive itself.
}

func (b *bundle) add(name string, content []byte) {
	if b.broken != nil {
		return
	}
	b.broken = b.tar.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(content)), ModTime: b.at})
	if b.broken == nil {
		_, b.broken = b.tar.Write(content)
	}
}

func (b *bundle) document(name string, document any) {
	var text bytes.Buffer
	if err := printJSON(&text, document); err != nil {
		b.failed(name, err)
		return
	}
	b.add(name, text.Bytes())
}

// failed notes why a file is not there; nil is no failure.
func (b *bundle) failed(name string, err error) {
	if err != nil {
		fmt.Fprintf(b.errors, "%s: %v\n", name, err)
	}
}
