package ops

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"kvs/cmd/kvs/exit"
	"kvs/node/daemon"
	"kvs/node/host/config"
	"kvs/node/host/ring"
)

type recordOptions struct {
	file string
	last time.Duration
}

func newRecord(env *Env) *cobra.Command {
	var o recordOptions
	cmd := &cobra.Command{
		Use:   "record CONFIG",
		Short: "Write what the flight recorder of a node has kept to a file",
		Long: `Cut what was recorded last out of the recording of a node, for kvsim relive. The node has to have
recorder.ring_bytes_max in its configuration. A node that does not run is not needed: what it had recorded is read from
its data folder.

A recording begins with an image of the node's state, so that more than --last is in it. All keys and values that the
node worked with are in the file, but no tokens and no certificates: give it only to people who may read the data.`,
		Args:              args(cobra.ExactArgs(1)),
		ValidArgsFunction: env.Complete,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, done := env.Interruptible(cmd.Context())
			defer done()
			return env.record(ctx, args, &o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.file, "file", "", "the file to write; default: kvs-recording-NAME-TIME.kvsrec in this folder")
	f.DurationVar(&o.last, "last", 5*time.Minute, "how far back the recording goes at least")
	return cmd
}

func (e *Env) record(ctx context.Context, args []string, o *recordOptions) (err error) {
	if o.last < 0 {
		return exit.BadUsage("--last %v: use a duration such as 30s or 5m", o.last)
	}
	d, err := e.Daemon()
	if err != nil {
		return err
	}
	instances, err := e.instances(d, args)
	if err != nil {
		return err
	}
	inst := instances[0]
	content, err := e.recorded(ctx, d, inst, o)
	if err != nil {
		return fmt.Errorf("%s: %w", inst.Name, err)
	}
	defer content.Close()
	if o.file == "" {
		o.file = "kvs-recording-" + inst.Name + "-" + e.Now().UTC().Format("20060102T150405Z") + ".kvsrec"
	}
	out, err := newFile(o.file)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, content)
	if err := errors.Join(err, out.Sync(), out.Close()); err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", o.file, err), os.Remove(o.file))
	}
	_, err = fmt.Fprintln(e.Out, o.file)
	return err
}

// recorded is the recording of a node: from the node itself, or from its data folder when the node does not run.
func (e *Env) recorded(
	ctx context.Context, d *daemon.Daemon, inst daemon.Instance, o *recordOptions,
) (io.ReadCloser, error) {
	cfg, err := config.Read(inst.Config)
	if err != nil {
		return nil, err
	}
	report, err := d.Status(ctx, inst)
	if err != nil {
		return nil, err
	}
	if report.State == daemon.StateRunning && report.Record.Serving() {
		c, err := e.Dial(cfg, report.Record.Address, false)
		if err != nil {
			return nil, err
		}
		defer c.Close()
		content, err := c.Recording(ctx, o.last)
		return io.NopCloser(bytes.NewReader(content)), err
	}
	dir := filepath.Join(cfg.DataDir, ring.Dir)
	piece, err := ring.Cut(dir, e.Now().Add(-o.last))
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, ring.ErrNothing) {
		return nil, fmt.Errorf("the node does not run, and there is no recording in %s: set recorder.ring_bytes_max "+
			"in %s, and start it", dir, inst.Config)
	}
	if err != nil {
		return nil, err
	}
	return piece, nil
}
