package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"kvs/node"
	"kvs/node/api"
	"kvs/node/slot"
	"kvs/node/swim"
)

type votersOptions struct {
	client clientOptions
	output outputFormat
}

// newVoters shows the voters, which decide on linearizable operations.
func newVoters(a *app) *cobra.Command {
	var o votersOptions
	cmd := &cobra.Command{
		Use:   "voters",
		Short: "Show the voters of linearizable operations",
		Args:  usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.voters(cmd.Context(), o, func(ctx context.Context, c cluster) (api.Voters, error) {
				return c.Voters(ctx)
			})
		},
	}
	o.client.addFlags(cmd, false)
	o.output.addFlag(cmd, "text", "json")
	return cmd
}

// newChangeVoters is `kvs members promote` or `kvs members demote`.
func newChangeVoters(a *app, promote bool) *cobra.Command {
	var o votersOptions
	cmd := &cobra.Command{
		Use:   "promote NAME|ID",
		Short: "Make a member a voter",
		Long: `Give a member a vote on linearizable operations. Members that are in step become voters by themselves;
this command is for members that were demoted. It returns when the voters have caught up, so that the next change may
follow.`,
		Args: usageArgs(cobra.ExactArgs(1)),
	}
	if !promote {
		cmd.Use, cmd.Short = "demote NAME|ID", "Take the vote from a member"
		cmd.Long = `Take the vote on linearizable operations from a member, for example from one whose disk is lost and
which comes back under a new ID. The command returns when the remaining voters have caught up; from then on the former
voter is not needed. A member that goes on running becomes a voter again only by kvs members promote.`
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return a.voters(cmd.Context(), o, func(ctx context.Context, c cluster) (api.Voters, error) {
			id, err := findMember(ctx, c, args[0])
			if err != nil {
				return api.Voters{}, err
			}
			return c.ChangeVoters(ctx, id, promote)
		})
	}
	o.client.addFlags(cmd, false)
	o.output.addFlag(cmd, "text", "json")
	return cmd
}

func (a *app) voters(ctx context.Context, o votersOptions,
	run func(context.Context, cluster) (api.Voters, error)) error {
	if err := o.output.check(); err != nil {
		return err
	}
	return a.ask(ctx, &o.client, func(ctx context.Context, c cluster, _ node.Level) error {
		v, err := run(ctx, c)
		if err != nil {
			return err
		}
		if o.output.is("json") {
			return writeJSON(a.out, v)
		}
		if v.Epoch == 0 {
			_, err = fmt.Fprintln(a.out, "not founded yet: all expected members have to be up once")
			return err
		}
		names := make([]string, len(v.Voters))
		for i, voter := range v.Voters {
			if names[i] = voter.Name; names[i] == "" {
				names[i] = voter.ID
			}
			if voter.State != "alive" {
				names[i] += " (" + orGone(voter.State) + ")"
			}
		}
		if v.Recoveries > 0 {
			a.say("the voters were replaced by hand (kvs recover, %d times): linearizable writes acknowledged before "+
				"may be lost", v.Recoveries)
		}
		if len(v.Held) > 0 {
			held := make([]string, len(v.Held))
			for i, m := range v.Held {
				if held[i] = m.Name; held[i] == "" || m.State != "alive" {
					held[i] = strings.TrimSpace(m.Name + " " + m.ID)
				}
			}
			a.say("demoted, and no voters before kvs members promote: %s", strings.Join(held, ", "))
		}
		if _, err = fmt.Fprintf(a.out, "epoch %d: %s\n", v.Epoch, strings.Join(names, ", ")); err == nil &&
			v.Note != "" {
			a.say("%s", v.Note)
		}
		return err
	})
}

func orGone(state string) string {
	if state == "" {
		return "gone"
	}
	return state
}

// findMember finds a member, or a voter that is no longer a member, by its ID or name.
func findMember(ctx context.Context, c cluster, which string) (node.ID, error) {
	if id, err := slot.ParseID(which); err == nil {
		return id, nil
	}
	members, err := c.Members(ctx)
	if err != nil {
		return 0, err
	}
	named := slices.DeleteFunc(slices.Clone(members), func(m member) bool { return m.Name != which })
	gone := func(m member) bool { return m.State == swim.Left.String() || m.State == swim.Removed.String() }
	if !slices.ContainsFunc(named, func(m member) bool { return !gone(m) }) {
		gone = func(member) bool { return false } // then a member that is gone for good is meant.
	}
	named = slices.DeleteFunc(named, gone)
	switch len(named) {
	case 0:
		return 0, usageError("no member is called %q: kvs members lists them", which)
	case 1:
		return slot.ParseID(named[0].ID)
	}
	// A living member is not preferred to a dead one: removing and demoting are mostly meant for dead members.
	ids := make([]string, len(named))
	for i, m := range named {
		ids[i] = m.ID + " (" + m.State + ")"
	}
	return 0, usageError("%d members are called %q: name one by its ID: %s", len(named), which, strings.Join(ids, ", "))
}
