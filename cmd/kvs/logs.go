package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
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
		Long: `Show the end of a background node's log. Without CONFIG: the log of the only known node.

Logs are in ~/.kvs/logs. A log that would grow beyond log.bytes_max (8 MiB) is set aside, with the time in its name,
and --follow goes on with the new one.`,
		Args:              usageArgs(cobra.MaximumNArgs(1)),
		ValidArgsFunction: a.completeNodes,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.logs(cmd.Context(), args, o)
		},
	}
	cmd.Flags().BoolVarP(&o.follow, "follow", "f", false, "show new lines as they are added, until interrupted")
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
		return coded(exitFailed, fmt.Errorf("%s has no log: it was never started in the background (%s)", inst,
			path))
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
			return daemon.Instance{}, coded(exitUsage, err)
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

// follow copies what is added to the file at path from offset on, until ctx ends. When the file is rotated it is read
// to its end, and its successor from the beginning; so is a file that becomes shorter.
func follow(ctx context.Context, clock daemon.Clock, path string, offset int64, out io.Writer) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	if _, err := f.Seek(offset, io.SeekStart); err != nil {
		return err
	}
	for clock.Sleep(ctx, logsPollEvery) == nil {
		// before the copy: a node that replaces the file has written its last line to the old one before.
		now, err := os.Stat(path)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		if err := copyRest(f, out); err != nil {
			return err
		}
		followed, statErr := f.Stat()
		if statErr != nil {
			return statErr
		}
		if err != nil || os.SameFile(followed, now) {
			continue
		}
		next, err := os.Open(path)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if err := copyRest(f, out); err != nil { // lines that were written after the last copy and before the rotation.
			return errors.Join(err, next.Close())
		}
		if err := copyBetween(f, next, path, out); err != nil {
			return errors.Join(err, next.Close())
		}
		_ = f.Close()
		f = next
		if err := copyRest(f, out); err != nil {
			return err
		}
	}
	return nil
}

// copyBetween copies the files that were set aside after f and before next: a node may fill several between two looks.
func copyBetween(f, next *os.File, path string, out io.Writer) error {
	last, err := f.Stat()
	if err != nil {
		return err
	}
	ext := filepath.Ext(path)
	aside, err := filepath.Glob(strings.TrimSuffix(path, ext) + "-*" + ext) // in the order of the times in their names.
	if err != nil {
		return err
	}
	end, err := next.Stat()
	if err != nil {
		return err
	}
	between := false
	for _, name := range aside {
		info, err := os.Stat(name)
		switch {
		case err != nil: // it has been removed.
		case os.SameFile(info, last):
			between = true
		case os.SameFile(info, end):
			return nil
		case between:
			if err := copyFile(name, out); err != nil {
				return err
			}
		}
	}
	return nil
}

func copyFile(name string, out io.Writer) error {
	f, err := os.Open(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(out, f)
	return err
}

// copyRest copies what follows the file's position; from the beginning, when the file has become shorter.
func copyRest(f *os.File, out io.Writer) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if at, err := f.Seek(0, io.SeekCurrent); err != nil {
		return err
	} else if info.Size() < at {
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return err
		}
	}
	_, err = io.Copy(out, f)
	return err
}
