package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"kvs/node"
)

type deleteOptions struct {
	client    clientOptions
	condition conditionOptions
	output    outputFormat
}

func newDelete(a *app) *cobra.Command {
	var o deleteOptions
	cmd := &cobra.Command{
		Use:     "delete PATH",
		Aliases: []string{"rm"},
		Short:   "Delete a value",
		Long:    "Delete the value under a path. A path without a value is no error.",
		Args:    usageArgs(cobra.ExactArgs(1)),
		RunE:    func(cmd *cobra.Command, args []string) error { return a.delete(cmd.Context(), args[0], o) },
	}
	o.client.addFlags(cmd, true)
	o.condition.addFlags(cmd)
	o.output.addFlag(cmd, "text", "json")
	return cmd
}

func (a *app) delete(ctx context.Context, path string, o deleteOptions) error {
	if err := o.output.check(); err != nil {
		return err
	}
	if err := checkPath(path); err != nil {
		return err
	}
	cond, err := o.condition.condition(&o.client)
	if err != nil {
		return err
	}
	return a.ask(ctx, &o.client, func(ctx context.Context, c cluster, level node.Level) error {
		w, err := c.Delete(ctx, path, level, cond)
		if err != nil {
			return err
		}
		if o.output.is("json") {
			return writeJSON(a.out, w)
		}
		_, err = fmt.Fprintf(a.out, "deleted %s\n", path)
		return err
	})
}
