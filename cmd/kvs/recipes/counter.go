package recipes

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"kvs/cmd/kvs/exit"
	"kvs/node/client"
	"kvs/node/client/recipe"
)

type counterOptions struct {
	connect func(attempt time.Duration) (*client.Client, error)
	timeout time.Duration
}

func newCounter(e *Environment) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "counter",
		Short: "Count together with other programs",
		Long: `A counter is a whole number of 64 bits under a path. Any number of programs may add to it at once,
through any nodes: each addition counts once. A path without a value counts as 0; kvs put NAME 0 starts again.`,
		Args: arguments(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	var o counterOptions
	add := &cobra.Command{
		Use:   "add NAME N",
		Short: "Add a number and print the sum",
		Long: `Add a whole number and print the sum right afterwards. Put two dashes before a number below 0:
kvs counter add NAME -- -5

If the exit code is 6 the number may have been added, or may be added yet.`,
		Args: arguments(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			n, err := strconv.ParseInt(args[1], 10, 64)
			if err != nil {
				return exit.BadUsage("%q is no whole number of 64 bits", args[1])
			}
			return count(cmd.Context(), e, &o, func(ctx context.Context, c *client.Client) (int64, error) {
				return recipe.NewCounter(c, args[0]).Add(ctx, n)
			})
		},
	}
	get := &cobra.Command{
		Use:   "get NAME",
		Short: "Print the sum",
		Args:  arguments(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return count(cmd.Context(), e, &o, func(ctx context.Context, c *client.Client) (int64, error) {
				return recipe.NewCounter(c, args[0]).Get(ctx)
			})
		},
	}
	for _, sub := range []*cobra.Command{add, get} {
		sub.Flags().DurationVar(&o.timeout, "timeout", 10*time.Second, "how long the whole command may take")
		connect := e.Reach(sub)
		run := sub.RunE
		sub.RunE = func(cmd *cobra.Command, args []string) error {
			o.connect = connect
			return run(cmd, args)
		}
		cmd.AddCommand(sub)
	}
	return cmd
}

func count(ctx context.Context, e *Environment, o *counterOptions, do func(context.Context, *client.Client) (int64,
	error)) error {
	if o.timeout <= 0 {
		return exit.BadUsage("--timeout %v: want more than 0, such as 30s", o.timeout)
	}
	signals := make(chan os.Signal, 1)
	defer e.Notify(signals)()
	c, err := o.connect(min(o.timeout, 5*time.Second))
	if err != nil {
		return err
	}
	defer c.Close()
	ctx, stop := until(ctx, signals)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	sum, err := do(ctx, c)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(e.Out, sum)
	return err
}
