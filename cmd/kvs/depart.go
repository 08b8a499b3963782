package main

import (
	"context"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"kvs/node"
	"kvs/node/daemon"
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
		Long: `Let a node leave its cluster for good. The node takes no more writes, gives up its vote, waits until
a majority of the others has all that it wrote, tells them, and ends. The others no longer count it.
Name its configuration, or --endpoint. The command returns when the process is gone or, on another
machine, when the node no longer answers.

To stop a node that will come back use kvs stop. A node that has left does not come back with its
data: set its data folder aside to let it join as a new member. When the node cannot hand over in
time, nothing has changed. --force leaves all the same, and loses what this node alone holds.`,
		Args:              usageArgs(cobra.MaximumNArgs(1)),
		ValidArgsFunction: a.completeNodes,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.chooseOne(args, &o.client); err != nil {
				return err
			}
			return a.ask(cmd.Context(), &o.client, func(ctx context.Context, c cluster, _ node.Level) error {
				return a.leave(ctx, c, &o)
			})
		},
	}
	o.client.addFlags(cmd, false)
	cmd.Flags().Lookup("timeout").DefValue = "30s"
	o.client.timeout = 30 * time.Second
	cmd.Flags().BoolVar(&o.force, "force", false, "leave although data that only this node holds is lost")
	return cmd
}

// leave lets the one endpoint's node leave, and waits for its end.
func (a *app) leave(ctx context.Context, c cluster, o *departOptions) error {
	endpoint := o.client.endpoints[0]
	if _, behind, ok := strings.Cut(endpoint, "://"); ok {
		endpoint = behind
	}
	d, err := a.openDaemon()
	if err != nil {
		return err
	}
	inst, local := a.instanceAt(ctx, d, endpoint) // before it leaves.
	m, err := c.Leave(ctx, o.force)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveEndMax)
	defer cancel()
	if local {
		var state daemon.State
		if state, err = d.AwaitEnd(ctx, inst); err == nil && state.Stale() {
			return fmt.Errorf("%s has left the cluster, and its process did not end in good order; see kvs logs %s",
				m.Name, inst.Config)
		}
	} else {
		err = awaitSilence(ctx, d.Clock, endpoint)
	}
	if err != nil {
		return fmt.Errorf("%s has left the cluster, but has not ended: %w; end it with kvs stop", m.Name, err)
	}
	_, err = fmt.Fprintf(a.out, "%s has left the cluster and ended\n", m.Name)
	return err
}

// leaveEndMax bounds the wait for the end of a node that has left: longer than the default shutdown_timeout.
const leaveEndMax = 30 * time.Second

// instanceAt finds the node of this machine that answers at an address.
func (a *app) instanceAt(ctx context.Context, d *daemon.Daemon, address string) (daemon.Instance, bool) {
	known, err := d.Known()
	if err != nil {
		return daemon.Instance{}, false
	}
	for _, inst := range known {
		report, err := d.Status(ctx, inst)
		if err == nil && report.State == daemon.StateRunning && report.Record.Address == address {
			return inst, true
		}
	}
	return daemon.Instance{}, false
}

// awaitSilence waits until no process listens at an address.
func awaitSilence(ctx context.Context, clock daemon.Clock, address string) error {
	for {
		conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", address)
		if err != nil {
			return ctx.Err()
		}
		_ = conn.Close()
		if err := clock.Sleep(ctx, logsPollEvery); err != nil {
			return fmt.Errorf("it still listens at %s: %w", address, err)
		}
	}
}

// chooseOne makes one node the only endpoint: no other node may leave instead.
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
	o.endpoints, o.as = []string{cfg.Advertise}, cfg
	return nil
}

// newRemoveMember is `kvs members remove`.
func newRemoveMember(a *app) *cobra.Command {
	var o departOptions
	cmd := &cobra.Command{
		Use:   "remove NAME|ID",
		Short: "Remove a dead member for good",
		Long: `Remove a member that will not come back: the others no longer count it, and keep nothing for it. All
members learn of the removal, also those that are away now. If the member comes back it is refused;
with an empty data folder it may join as a new member.

A voter can be removed while a majority of all voters, that one included, is up: they take its vote
by themselves. Without a majority the command is refused, because this side may be the one that is
cut off: bring the others back, or see kvs recover. For a member that is alive use kvs leave.
--force removes it all the same, and what that member alone holds is lost.`,
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
	cmd.Flags().BoolVar(&o.force, "force", false,
		"also when it is alive, or a voter that the others need for a majority")
	return cmd
}

// newJoinMembers is `kvs members join`.
func newJoinMembers(a *app) *cobra.Command {
	var o clientOptions
	cmd := &cobra.Command{
		Use:   "join HOST:PORT...",
		Short: "Give a node addresses of others, when its seeds and known addresses have become stale",
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
