package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"kvs/node"
	"kvs/node/api"
)

type modeOptions struct {
	client clientOptions
	output outputFormat
}

func newMode(a *app) *cobra.Command {
	var o modeOptions
	cmd := &cobra.Command{
		Use:   "mode [normal|read-only]",
		Short: "Show a node's mode and why it is in it, or make it read-only",
		Long: `Show the mode of a node and the reasons; or make the node read-only, or end that. The new mode is on disk
when the command returns, and outlives a restart of the node. The node stays read-only while there are other reasons:
its configuration, a disk that is nearly full, a clock that is too far off.`,
		Args:      usageArgs(cobra.MatchAll(cobra.MaximumNArgs(1), cobra.OnlyValidArgs)),
		ValidArgs: []string{node.ModeNormal.String(), node.ModeReadOnly.String()},
		RunE:      func(cmd *cobra.Command, args []string) error { return a.mode(cmd.Context(), o, args) },
	}
	o.client.addFlags(cmd, false)
	o.output.addFlag(cmd, "text", "json")
	return cmd
}

func (a *app) mode(ctx context.Context, o modeOptions, args []string) error {
	if err := o.output.check(); err != nil {
		return err
	}
	return a.ask(ctx, &o.client, func(ctx context.Context, c cluster, _ node.Level) error {
		var m api.Mode
		var err error
		switch {
		case len(args) == 0:
			m, err = c.Mode(ctx)
		case args[0] == node.ModeReadOnly.String():
			m, err = c.SetMode(ctx, node.ModeReadOnly)
		default:
			m, err = c.SetMode(ctx, node.ModeNormal)
		}
		if err != nil {
			return err
		}
		if o.output.is("json") {
			return writeJSON(a.out, m)
		}
		if len(m.Reasons) > 0 {
			m.Mode += ": " + strings.Join(m.Reasons, ", ")
		}
		_, err = fmt.Fprintln(a.out, m.Mode)
		return err
	})
}
