package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"kvs/cmd/kvs/bulk"
	"kvs/node"
	"kvs/node/client"
)

// bulk is what the commands of package bulk need of this one.
func (a *app) bulk() *bulk.Env {
	return &bulk.Env{
		In: a.in, Out: a.out, Err: a.err, Say: a.say, Usage: usageError,
		Asker: func(cmd *cobra.Command, withLevel bool, timeout time.Duration) bulk.Ask {
			o := new(clientOptions)
			o.addFlags(cmd, withLevel)
			f := cmd.Flags().Lookup("timeout")
			o.timeout, f.DefValue = timeout, timeout.String()
			return func(ctx context.Context, do func(context.Context, *client.Client, node.Level) error) error {
				return a.askReal(ctx, o, do)
			}
		},
		Output: func(cmd *cobra.Command, choices ...string) func() (string, error) {
			o := new(outputFormat)
			o.addFlag(cmd, choices...)
			return func() (string, error) { return o.value, o.check() }
		},
		Failed: func(unknown bool, err error) error {
			if unknown {
				return coded(exitUnknown, err)
			}
			return coded(exitFailed, err)
		},
	}
}

// askReal is ask for what only the real client does.
func (a *app) askReal(ctx context.Context, o *clientOptions,
	do func(context.Context, *client.Client, node.Level) error) error {
	return a.ask(ctx, o, func(ctx context.Context, c cluster, level node.Level) error {
		r, ok := c.(remote)
		if !ok {
			return errors.New("this cluster is no real one")
		}
		err := do(ctx, r.client, level)
		var known *exitError
		if errors.As(err, &known) {
			return err
		}
		return withCode(err)
	})
}
