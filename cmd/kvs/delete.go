package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"kvs/node"
	"kvs/node/client"
)

type deleteOptions struct {
	client    clientOptions
	condition conditionOptions
	output    outputFormat
	recursive bool
	confirm   string
}

func newDelete(a *app) *cobra.Command {
	var o deleteOptions
	cmd := &cobra.Command{
		Use:     "delete PATH",
		Aliases: []string{"rm"},
		Short:   "Delete a value, or everything below a directory",
		Long: `Delete the value under a path. A path without a value is no error.

With --recursive it deletes all values below a directory, one by one, and says how far it is. It
needs the name of the directory a second time, with a slash at its end; without that it says how many
values are there, and deletes nothing. What was interrupted goes on when it is run again.

  kvs delete --recursive users/ann                       # look
  kvs delete --recursive users/ann --confirm users/ann/  # do it; the root is /`,
		Args: usageArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.recursive && !cmd.Flags().Changed("timeout") {
				o.client.timeout = countTimeout
			}
			return a.delete(cmd.Context(), args[0], o)
		},
	}
	o.client.addFlags(cmd, true)
	o.condition.addFlags(cmd)
	o.output.addFlag(cmd, "text", "json")
	cmd.Flags().BoolVarP(&o.recursive, "recursive", "r", false, "all values below the directory PATH")
	cmd.Flags().StringVar(&o.confirm, "confirm", "", "the directory whose values are deleted, with a slash at its end")
	return cmd
}

func (a *app) delete(ctx context.Context, path string, o deleteOptions) error {
	if err := o.output.check(); err != nil {
		return err
	}
	if o.recursive {
		return a.deleteBelow(ctx, path, o)
	}
	if o.confirm != "" {
		return usageError("--confirm is for --recursive")
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

func (a *app) deleteBelow(ctx context.Context, path string, o deleteOptions) error {
	dir, err := directory(path)
	if err != nil {
		return err
	}
	if o.condition.given("if-match") || o.condition.given("idempotency-key") {
		return usageError("--recursive deletes values one by one: it has no condition and no idempotency key")
	}
	return a.askReal(ctx, &o.client, func(ctx context.Context, c *client.Client, level node.Level) error {
		return a.bulk().DeleteBelow(ctx, c, level, dir, o.confirm, o.output.is("json"))
	})
}
