package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"kvs/node"
)

type departOptions struct {
	client clientOptions
	force  bool
}

// newLeave is `kvs leave`.
func newLeave(a *app) *cobra.Command {
	var o departOptions
	cmd := &cobra.Command{
		Use:   "leave [CONFIG]",
		Short: "Let a node leave the cluster for good, and stop",
		Long: `Let a node leave its cluster for good: it takes no more writes, gives up its vote, waits until a majority of the others
has all that it wrote, tells them, and ends. The others go on without counting it. Name its configuration, or --endpoint.

To stop a node that will come back use kvs stop. A node that has left does not come back with its data: remove its data folder
to let it join as a new member. When it cannot hand over in time nothing has changed; --force leaves all the same, and loses what
it alone holds.`,
		Args:              usageArgs(cobra.MaximumNArgs(1)),
		ValidArgsFunction: a.completeNodes,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.chooseOne(args, &o.client); err != nil {
				return err
			}
			return a.ask(cmd.Context(), &o.client, func(ctx context.Context, c cluster, _ node.Level) error {
				m, err := c.Leave(ctx, o.force)
				if err != nil {
					return err
				}
				_, err = fmt.Fprintf(a.out, "%s has left the cluster and stops\n", m.Name)
				return err
			})
		},
	}
	o.client.addFlags(cmd, false)
	cmd.Flags().Lookup("timeout").DefValue = "30s"
	o.client.timeout = 30 * time.Second
	cmd.Flags().BoolVar(&o.force, "force", false, "leave although what this node alone holds is lost")
	return cmd
}

// chooseOne makes one node the endpoint: nobody else may be the one that leaves.
func (a *app) chooseOne(args []string, o *clientOptions) error {
	if len(args) == 0 {
		if len(o.endpoints) != 1 {
			return usageError("which node? Name its configuration, or one --endpoint")
		}
		return nil
	}
	if len(o.endpoints) > 0 {
		return usageError("which node? Name its configuration or an --endpoint, not both")
	}
	d, err := a.openDaemon()
	if err != nil {
		return err
	}
	instances, err := a.findAll(d, args, exitUsage)
	if err != nil {
		return err
	}
	cfg, err := a.loadConfig(instances[0])
	if err != nil {
		return err
	}
	o.endpoints = []string{cfg.Advertise}
	return nil
}

// newRemoveMember is `kvs members remove`.
func newRemoveMember(a *app) *cobra.Command {
	var o departOptions
	cmd := &cobra.Command{
		Use:   "remove NAME|ID",
		Short: "Remove a dead member for good",
		Long: `Remove a member that will not come back: the others go on without counting it, and keep nothing for it. All members hear of
it, also those that are away now. If it comes back it is refused and told so; with an empty data folder it may join as a new member.

A voter is removed while a majority of all voters, that one included, is up: they take its vote from it by themselves. Without a majority
it is refused, because those who ask may be the ones that are cut off: bring the others back, or see kvs recover.
A member that is alive is better told to leave: see kvs leave. --force removes it all the same, and what it alone holds is lost.`,
		Args: usageArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.ask(cmd.Context(), &o.client, func(ctx context.Context, c cluster, _ node.Level) error {
				id, err := findMember(ctx, c, args[0])
				if err != nil {
					return err
				}
				m, err := c.Remove(ctx, id, o.force)
				if err != nil {
					return err
				}
				_, err = fmt.Fprintf(a.out, "%s (%s) is %s\n", m.Name, m.ID, m.State)
				return err
			})
		},
	}
	o.client.addFlags(cmd, false)
	cmd.Flags().BoolVar(&o.force, "force", false, "also when it is alive, or a voter that the others need for a majority")
	return cmd
}

// newJoinMembers is `kvs members join`.
func newJoinMembers(a *app) *cobra.Command {
	var o clientOptions
	cmd := &cobra.Command{
		Use:   "join HOST:PORT...",
		Short: "Tell a node where others are, when its seeds and the addresses it knows have become stale",
		Args:  usageArgs(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.ask(cmd.Context(), &o, func(ctx context.Context, c cluster, _ node.Level) error {
				if err := c.Join(ctx, args); err != nil {
					return err
				}
				a.say("contacting %s; kvs members shows who answers", strings.Join(args, ", "))
				return nil
			})
		},
	}
	o.addFlags(cmd, false)
	return cmd
}
