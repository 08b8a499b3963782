package ops

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"kvs/cmd/kvs/exit"
	"kvs/cmd/version"
	"kvs/node/daemon"
	"kvs/node/hashed"
	"kvs/node/host/config"
	"kvs/node/host/ring"
	"kvs/node/recorder"
)

type recordOptions struct {
	file string
	last time.Duration
	hash bool
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
node worked with are in the file, but no tokens and no certificates: give it only to people who may read the data.

With --hash-values there are hashes of the same length in place of the values. The same value has the same hash in the
whole file, and no other file has it. Keys, content types, and the lengths of values stay. The node makes it, so that no
value leaves it: it runs what it recorded again first, with the values, and the file says whether the effects were the
same. That takes some of its memory, and a core of its CPU for a while.`,
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
	f.BoolVar(&o.hash, "hash-values", false, "write hashes of the same length in place of the values")
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
		wait := patience
		if o.hash {
			wait = patienceHashing
		}
		c, err := e.Dial(cfg, report.Record.Address, false, wait)
		if err != nil {
			return nil, err
		}
		defer c.Close()
		content, err := c.Recording(ctx, o.last, o.hash)
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
	if o.hash {
		return hashedHere(piece)
	}
	return piece, nil
}

// hashedHere replaces the values in the recording of a node that does not run: this program has to be of its build.
func hashedHere(piece *ring.Piece) (io.ReadCloser, error) {
	defer piece.Close()
	built := version.Read()
	o := hashed.Options{Build: recorder.Build{Version: built.String(), Revision: built.Revision(),
		Toolchain: runtime.Version()}}
	if _, err := rand.Read(o.Salt[:]); err != nil {
		return nil, fmt.Errorf("randomness: %w", err)
	}
	var out bytes.Buffer
	if _, err := hashed.Write(&out, piece, o); err != nil {
		return nil, err
	}
	return io.NopCloser(&out), nil
}
