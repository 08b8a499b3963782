package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"kvs/node/daemon"
)

type logsOptions struct {
	follow bool
	lines  int
}

const (
	logsPollEvery = 100 * time.Millisecond
	logsLinesMax  = 100_000
)

func newLogs(a *app) *cobra.Command {
	var o logsOptions
	cmd := &cobra.Command{
		Use:   "logs [CONFIG]",
		Short: "Show the log of a background node",
		Long: `Show the end of a background node's log. Without CONFIG: of the only node that is known.

Logs are in ~/.kvs/logs. A log that has grown beyond 8 MiB is set aside as .log.1 at the next start.`,
		Args:              usageArgs(cobra.MaximumNArgs(1)),
		ValidArgsFunction: a.completeNodes,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.logs(cmd.Context(), args, o)
		},
	}
	cmd.Flags().BoolVarP(&o.follow, "follow", "f", false, "go on showing what is added, until interrupted")
	cmd.Flags().IntVarP(&o.lines, "lines", "n", 100, "how many of the last lines to show")
	return cmd
}

func (a *app) logs(ctx context.Context, args []string, o logsOptions) error {
	if o.lines < 0 || o.lines > logsLinesMax {
		return usageError("--lines %d: want 0 to %d", o.lines, logsLinesMax)
	}
	d, err := a.openDaemon()
	if err != nil {
		return err
	}
	inst, err := a.findOne(d, args)
	if err != nil {
		return err
	}
	path := d.Home.LogPath(inst)
	text, end, err := daemon.Tail(path, 0, o.lines)
	if errors.Is(err, os.ErrNotExist) {
		return &exitError{exitFailed, fmt.Errorf("%s has no log: it was never started in the background (%s)", inst, path)}
	}
	if err != nil {
		return err
	}
	if _, err := a.out.Write(text); err != nil || !o.follow {
		return err
	}
	ctx, done := a.interruptible(ctx)
	defer done()
	return follow(ctx, d.Clock, path, end, a.out)
}

// findOne is the instance that args name or, when they name none, the only one that is known.
func (a *app) findOne(d *daemon.Daemon, args []string) (daemon.Instance, error) {
	if len(args) > 0 {
		cwd, err := a.cwd()
		if err != nil {
			return daemon.Instance{}, err
		}
		// A node that does not run any more and whose configuration is gone may still have a log.
		inst, _, err := d.Find(cwd, args[0])
		if err != nil {
			return daemon.Instance{}, &exitError{exitUsage, err}
		}
		return inst, nil
	}
	known, err := d.Known()
	if err != nil {
		return daemon.Instance{}, err
	}
	if len(known) == 1 {
		return known[0], nil
	}
	var names []string
	for _, inst := range known {
		names = append(names, inst.Config)
	}
	if len(names) == 0 {
		return daemon.Instance{}, usageError("whose log? No node runs; name a configuration")
	}
	return daemon.Instance{}, usageError("whose log? Name one of %s", strings.Join(names, ", "))
}

// follow copies what is added to the file at path from offset on, until ctx ends. A file that is replaced or becomes shorter,
// as when it is set aside at a start, is followed from its beginning.
func follow(ctx context.Context, clock daemon.Clock, path string, offset int64, out io.Writer) error {
	last, err := os.Stat(path)
	if err != nil {
		return err
	}
	for clock.Sleep(ctx, logsPollEvery) == nil {
		info, err := os.Stat(path)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if !os.SameFile(last, info) || info.Size() < offset {
			last, offset = info, 0
		}
		if info.Size() == offset {
			continue
		}
		n, err := copyFrom(path, offset, out)
		if err != nil {
			return err
		}
		offset += n
	}
	return nil
}

func copyFrom(path string, offset int64, out io.Writer) (int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	if _, err := f.Seek(offset, io.SeekStart); err != nil {
		return 0, err
	}
	return io.Copy(out, f)
}
