package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"kvs/linearize"
)

type checkOptions struct {
	linearize.Options
	html string
}

func newCheckCommand(io stdio) *cobra.Command {
	var o checkOptions
	cmd := &cobra.Command{
		Use:   "check FILE",
		Short: "Judge a saved history",
		Long:  "check judges a history in JSON lines, from the simulator or from a real cluster; - reads from stdin. Exit code 0 only if it is linearizable: undecided counts as broken.",
		Args:  cobra.ExactArgs(1),
		RunE:  func(_ *cobra.Command, args []string) error { return o.run(io, args[0]) },
	}
	f := cmd.Flags()
	f.DurationVar(&o.Timeout, "timeout", 30*time.Second, "longest thinking about one key; then it is undecided")
	f.StringSliceVar(&o.Levels, "level", nil, "judge only these consistency levels; default: all")
	f.StringVar(&o.Prefix, "prefix", "", "judge only paths that begin with it")
	f.StringVar(&o.html, "html", "", "write a page with the operations of the key that matters to this file")
	return cmd
}

func (o *checkOptions) run(stdio stdio, path string) error {
	var in io.Reader = stdio.in
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		in = f
	}
	res, err := linearize.Judge(in, stdio.out, o.Options)
	if err != nil {
		return err
	}
	if o.html != "" {
		f, err := os.Create(o.html)
		if err != nil {
			return err
		}
		if err := errors.Join(res.WriteHTML(f), f.Close()); err != nil {
			return fmt.Errorf("write %s: %w", o.html, err)
		}
	}
	if res.Verdict != linearize.Linearizable {
		return errBroken
	}
	return nil
}
