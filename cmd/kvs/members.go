package main

import (
	"context"
	"fmt"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"kvs/node"
)

type membersOptions struct {
	client clientOptions
	output outputFormat
}

func newMembers(a *app) *cobra.Command {
	var o membersOptions
	cmd := &cobra.Command{
		Use:   "members",
		Short: "Show the members of the cluster, as one node sees them",
		Args:  usageArgs(cobra.NoArgs),
		RunE:  func(cmd *cobra.Command, _ []string) error { return a.members(cmd.Context(), o) },
	}
	o.client.addFlags(cmd, false)
	o.output.addFlag(cmd, "table", "json")
	cmd.AddCommand(newRemoveMember(a), newJoinMembers(a), newChangeVoters(a, true), newChangeVoters(a, false))
	return cmd
}

func (a *app) members(ctx context.Context, o membersOptions) error {
	if err := o.output.check(); err != nil {
		return err
	}
	return a.ask(ctx, &o.client, func(ctx context.Context, c cluster, _ node.Level) error {
		members, err := c.Members(ctx)
		if err != nil {
			return err
		}
		if o.output.is("json") {
			return writeJSON(a.out, append([]member{}, members...))
		}
		t := tabwriter.NewWriter(a.out, 0, 8, 2, ' ', 0)
		fmt.Fprintln(t, "NAME\tSTATE\tSINCE\tADDRESS\tJOINED\tINCARNATION\tID")
		for _, m := range members {
			joined := "-"
			if m.Joined > 0 {
				joined = strconv.Itoa(m.Joined)
			}
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%d\t%s\n", m.Name, m.State, m.Since.UTC().Format(time.DateTime),
				m.Address, joined, m.Incarnation, m.ID)
		}
		for _, m := range members {
			if m.Hint != "" {
				a.say("%s %s: %s", m.Name, m.ID, m.Hint)
			}
		}
		return t.Flush()
	})
}
