package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"kvs/node"
	"kvs/node/host"
	"kvs/node/host/config"
	"kvs/node/slot"
	"kvs/node/swim"
)

type recoverOptions struct {
	accept     bool
	damaged    bool
	voters     []string
	notRemoved []string
}

// askTimeout bounds the search for living voters.
const askTimeout = 5 * time.Second

// newRecover is `kvs recover`.
func newRecover(a *app) *cobra.Command {
	var o recoverOptions
	cmd := &cobra.Command{
		Use:   "recover CONFIG...",
		Short: "Replace the voters after a majority of them is lost for ever",
		Long: `Linearizable operations need a majority of the voters. When a majority is lost for ever, disks
included, the cluster does not recover by itself: this command replaces the voters by survivors that
you choose. LINEARIZABLE WRITES THAT WERE ACKNOWLEDGED MAY BE LOST: those that none of the chosen
voters has on disk, though another survivor may have them. So choose all survivors: --voters
node1,node4. Without --voters they are this node and the voters that run now. Writes that were
refused, or whose outcome was unknown, may turn out to be made.

Each chosen voter fetches what all of them hold before it takes part. If one of them is lost before
that is done, linearizable and quorum operations wait for it (503, no_quorum, with its name): stop a
node and recover it again, without the lost one in --voters.

Without --i-accept-data-loss it changes nothing, and shows what it would do, for one or more nodes
that are stopped: compare their epochs, clocks and keys (deleted ones included), and recover the one
that knows most. Nodes that still run need not be stopped: they adopt the new configuration.

  kvs stop node1.yaml
  kvs recover node1.yaml node4.yaml                                     # look
  kvs recover node1.yaml --voters node1,node4 --i-accept-data-loss      # do it, on one node
  kvs start node1.yaml
  kvs members remove node2                                              # each lost member, at once

A node that was removed by mistake says so and serves no client. --not-removed takes the removal
back: stop all nodes, run it on each of them, naming all that were removed by mistake, and start
them. What they hold may be older than deletions that were made meanwhile: such values come back.

  kvs recover node1.yaml node2.yaml node3.yaml --not-removed node2      # look: which members are removed
  kvs recover node1.yaml node2.yaml node3.yaml --not-removed node2 --i-accept-data-loss

Recover one node only: two nodes recovered each for itself are two clusters. A lost member that was
not removed and comes back with its data brings old values back.

--damaged is for a node that does not start because its store has lost data, and that knows no other
member to get its data from, as in a cluster of one. The node goes on with what is left: what the
store has lost stays lost, acknowledged or not. Where other members have the data do not use it:
such a node starts by itself, with an empty store, and gets its data from them.

  kvs recover node1.yaml --damaged --i-accept-data-loss`,
		Args:              usageArgs(cobra.MinimumNArgs(1)),
		ValidArgsFunction: completeConfigs,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.recoverVoters(cmd.Context(), args, o)
		},
	}
	cmd.Flags().BoolVar(&o.accept, "i-accept-data-loss", false,
		"do it: data that none of the chosen voters has is lost")
	cmd.Flags().BoolVar(&o.damaged, "damaged", false,
		"use a store that has lost data as it is, instead of replacing voters")
	cmd.Flags().StringSliceVar(&o.voters, "voters", nil, "names or IDs of all survivors: they vote from now on "+
		"(default: the node itself and the voters that run now; others become voters by themselves when they "+
		"are in step)")
	cmd.Flags().StringSliceVar(&o.notRemoved, "not-removed", nil,
		"names or IDs of members whose removal was a mistake: these nodes count them as members again")
	return cmd
}

// takeBackRemoval shows which members one node counts as removed, and undoes the removal of those that were named.
func (a *app) takeBackRemoval(cfg *config.Config, off *host.Offline, name string, o recoverOptions) error {
	var ids []node.ID
	for _, m := range off.Members {
		if !m.State.Gone() {
			continue
		}
		called := nameOf(cfg, off, m.ID)
		fmt.Fprintf(a.out, "%s: counts %s (%s) as a member that %s\n", name, called, m.ID, goneWord(m.State))
		if slices.Contains(o.notRemoved, called) || slices.Contains(o.notRemoved, m.ID.String()) {
			ids = append(ids, m.ID)
		}
	}
	switch {
	case len(ids) == 0:
		fmt.Fprintf(a.out, "%s: counts none of those as removed, there is nothing to undo\n", name)
		return nil
	case !o.accept:
		a.say("nothing was changed. Values that were deleted since may come back. To do it, with all nodes stopped " +
			"and on each of them: add --i-accept-data-loss")
		return nil
	}
	if err := off.NotRemoved(ids); err != nil {
		return coded(exitRefused, fmt.Errorf("%s: %w", name, err))
	}
	fmt.Fprintf(a.out, "%s: takes %s for members again when it starts\n", name, namesOf(cfg, off, ids))
	return nil
}

func goneWord(s swim.State) string {
	if s == swim.Removed {
		return "was removed"
	}
	return "left"
}

func (a *app) recoverVoters(ctx context.Context, args []string, o recoverOptions) error {
	d, err := a.openDaemon()
	if err != nil {
		return err
	}
	instances, err := a.findAll(d, args, exitUsage)
	if err != nil {
		return err
	}
	if o.accept && len(instances) > 1 && len(o.notRemoved) == 0 {
		return usageError("recover one node, the one that knows most: two nodes recovered each for itself are two " +
			"clusters; without --i-accept-data-loss all are shown")
	}
	for _, inst := range instances {
		cfg, err := a.loadConfig(inst)
		if err != nil {
			return err
		}
		if o.damaged {
			if err := a.openDamaged(cfg, inst.String(), o.accept); err != nil {
				return err
			}
			continue
		}
		off, err := host.OpenOffline(cfg)
		if err != nil {
			return coded(exitRefused, fmt.Errorf("%s: %w", inst, err))
		}
		if len(o.notRemoved) > 0 {
			err = a.takeBackRemoval(cfg, off, inst.String(), o)
		} else {
			err = a.recoverOne(ctx, cfg, off, inst.String(), o)
		}
		if err = errors.Join(err, off.Close()); err != nil {
			return err
		}
	}
	return nil
}

// openDamaged makes a store that has lost data usable as it is, if that was asked for.
func (a *app) openDamaged(cfg *config.Config, name string, accept bool) error {
	if !accept {
		off, err := host.OpenOffline(cfg)
		if err == nil {
			a.say("%s: nothing is missing that was on disk once: start this node", name)
			return off.Close()
		}
		a.say("%s: %s", name, err)
		a.say("nothing was changed. To go on with what is left: kvs recover %s --damaged --i-accept-data-loss", name)
		return nil
	}
	off, err := host.OpenDamaged(cfg)
	if err != nil {
		return coded(exitRefused, fmt.Errorf("%s: %w", name, err))
	}
	fmt.Fprintf(a.out, "%s: member %s of cluster %q, %d keys, clock %s\n", name, off.ID, off.Cluster, off.Keys,
		off.Clock)
	a.say("this is what is left, and %s goes on with it. Next: kvs start %s", name, name)
	return off.Close()
}

// recoverOne shows the configuration of one node, and replaces the voters if that was asked for.
func (a *app) recoverOne(ctx context.Context, cfg *config.Config, off *host.Offline, name string,
	o recoverOptions) error {
	fmt.Fprintf(a.out, "%s: member %s of cluster %q, %d keys, clock %s\n", name, off.ID, off.Cluster, off.Keys,
		off.Clock)
	if off.Config == nil {
		return coded(exitRefused, fmt.Errorf("%s: %w", name, off.CheckVoters([]node.ID{off.ID})))
	}
	voters, err := chosenVoters(cfg, off, o.voters)
	if err != nil {
		return err
	}
	live := a.showVoters(ctx, cfg, off)
	if len(voters) == 0 {
		voters = slices.Clone(live)
		if !slices.Contains(live, off.ID) { // it is no voter.
			voters = append(voters, off.ID)
		}
	}
	if len(live) >= off.Needed() {
		return coded(exitRefused, fmt.Errorf("%s: as many voters as are needed are there, nothing is lost: "+
			"start this node; kvs members demote takes out a voter that is lost", name))
	}
	if err := off.CheckVoters(voters); err != nil {
		return coded(exitRefused, fmt.Errorf("%s: %w", name, err))
	}
	if left := slices.DeleteFunc(slices.Clone(live), func(id node.ID) bool {
		return slices.Contains(voters, id)
	}); len(left) > 0 {
		a.say("%s: the linearizable writes that only %s have are lost this way: name all survivors in --voters", name,
			namesOf(cfg, off, left))
	}
	if !o.accept {
		fmt.Fprintf(a.out, "  would make these the voters: %s\n", namesOf(cfg, off, voters))
		a.say("nothing was changed. Linearizable writes that none of these has on disk would be lost; survivors that "+
			"are stopped belong among them (--voters). To do it: kvs recover %s --i-accept-data-loss", name)
		return nil
	}
	c, err := off.ReplaceVoters(voters)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.out, "  epoch %d, voters: %s\n", c.Epoch, namesOf(cfg, off, voters))
	a.say("the voters are replaced. Next: kvs start %s and the other voters: each takes part when it has what all of "+
		"them have; and kvs members remove for each lost member at once, so that none brings old values back", name)
	return nil
}

// showVoters shows the states of the voters, and returns the living ones, this node included.
func (a *app) showVoters(ctx context.Context, cfg *config.Config, off *host.Offline) (live []node.ID) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	var parts []string
	for _, id := range off.Config.Voters {
		state := "lost or stopped"
		switch {
		case id == off.ID:
			state = "this node"
			live = append(live, id)
		case a.identityAt(ctx, cfg, addressOf(off, id)) == id.String():
			state = "running"
			live = append(live, id)
		}
		parts = append(parts, fmt.Sprintf("%s (%s)", nameOf(cfg, off, id), state))
	}
	caught := "has caught up"
	if off.CaughtUp < off.Config.Epoch && off.Config.Votes(off.ID) {
		caught = "has not caught up"
	}
	fmt.Fprintf(a.out, "  epoch %d (%s), voters: %s; %d are needed\n", off.Config.Epoch, caught,
		strings.Join(parts, ", "), off.Needed())
	return live
}

// chosenVoters turns names and IDs into IDs.
func chosenVoters(cfg *config.Config, off *host.Offline, which []string) ([]node.ID, error) {
	var out []node.ID
	for _, w := range which {
		id, err := slot.ParseID(w)
		if err != nil {
			var found []node.ID
			if w == cfg.Name {
				found = append(found, off.ID)
			}
			for _, m := range off.Members {
				if m.Name == w && !m.State.Gone() && m.ID != off.ID {
					found = append(found, m.ID)
				}
			}
			if len(found) != 1 {
				return nil, usageError("%d members are called %q: name one by its ID", len(found), w)
			}
			id = found[0]
		}
		out = append(out, id)
	}
	return out, nil
}

func addressOf(off *host.Offline, id node.ID) string {
	if at := slices.IndexFunc(off.Members, func(m swim.Member) bool { return m.ID == id }); at >= 0 {
		return off.Members[at].Addr
	}
	return ""
}

func nameOf(cfg *config.Config, off *host.Offline, id node.ID) string {
	if id == off.ID {
		return cfg.Name
	}
	if at := slices.IndexFunc(off.Members, func(m swim.Member) bool {
		return m.ID == id
	}); at >= 0 && off.Members[at].Name != "" {
		return off.Members[at].Name
	}
	return id.String()
}

func namesOf(cfg *config.Config, off *host.Offline, ids []node.ID) string {
	names := make([]string, len(ids))
	for i, id := range ids {
		names[i] = nameOf(cfg, off, id)
	}
	return strings.Join(names, ", ")
}
