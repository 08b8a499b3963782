package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"kvs/node"
	"kvs/node/api"
	"kvs/node/slot"
)

type conflictsOptions struct {
	client clientOptions
	output outputFormat
	limit  int
	uuid   string
}

func newConflicts(a *app) *cobra.Command {
	var o conflictsOptions
	cmd := &cobra.Command{
		Use:   "conflicts [PREFIX]",
		Short: "Show how writes with equal timestamps were decided, and read those that lost",
		Long: `Show the last conflicts that one node knows of, newest first: writes with equal timestamps, the votes of
the members, and which write won. PREFIX leaves only paths that begin with it.

With --uuid, the argument is a path, and the value of that write goes to stdout as it is, won or lost.
A node keeps conflicts and their values for 24 hours of its running time, the last 1024 and 64 MiB at most.`,
		Args: usageArgs(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.conflicts(cmd.Context(), strings.Join(args, ""), o)
		},
	}
	o.client.addFlags(cmd, false)
	o.output.addFlag(cmd, "text", "json")
	cmd.Flags().IntVar(&o.limit, "limit", 100, "show at most so many, up to 1024")
	cmd.Flags().StringVar(&o.uuid, "uuid", "", "print the value of this write of the path")
	return cmd
}

func (a *app) conflicts(ctx context.Context, prefix string, o conflictsOptions) error {
	if err := o.output.check(); err != nil {
		return err
	}
	if o.limit < 1 || o.limit > node.ConflictsKeptMax {
		return usageError("--limit %d: want 1 to %d", o.limit, node.ConflictsKeptMax)
	}
	if o.uuid != "" {
		return a.candidate(ctx, prefix, o)
	}
	return a.ask(ctx, &o.client, func(ctx context.Context, c cluster, _ node.Level) error {
		list, err := c.Conflicts(ctx, prefix, o.limit)
		if err != nil {
			return err
		}
		if o.output.is("json") {
			return writeJSON(a.out, append([]api.Conflict{}, list...))
		}
		return writeConflicts(a.out, list)
	})
}

// candidate prints the value of one write.
func (a *app) candidate(ctx context.Context, path string, o conflictsOptions) error {
	if err := checkPath(path); err != nil {
		return err
	}
	if _, err := slot.ParseUUID(o.uuid); err != nil {
		return usageError("--uuid: %w", err)
	}
	return a.ask(ctx, &o.client, func(ctx context.Context, c cluster, _ node.Level) error {
		v, err := c.Candidate(ctx, path, o.uuid)
		if err != nil {
			return err
		}
		if o.output.is("json") {
			return writeValueJSON(a.out, v)
		}
		_, err = a.out.Write(v.Body)
		return err
	})
}

func writeConflicts(w io.Writer, list []api.Conflict) error {
	for i := range list {
		c := &list[i]
		state := "settled"
		if !c.Settled {
			state = "provisional"
		}
		fmt.Fprintf(w, "%s at %s: %s, by the rule %q: %s\n", c.Path, c.Timestamp, state, c.Rule, c.Reason)
		t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
		for _, x := range c.Candidates {
			result, what := "lost", fmt.Sprintf("%d bytes %s", x.Bytes, x.ContentType)
			if x.UUID == c.Winner {
				result = "won"
			}
			if x.Deleted {
				what = "deletion"
			}
			fmt.Fprintf(t, "  %s\t%s\tof %s\t%s\t%s\n", result, x.UUID, x.Origin, strings.TrimSpace(what),
				votesFor(c, x.UUID))
		}
		if err := t.Flush(); err != nil {
			return err
		}
	}
	return nil
}

func votesFor(c *api.Conflict, uuid string) string {
	var names []string
	for _, v := range c.Votes {
		if v.UUID == uuid {
			names = append(names, v.Member)
		}
	}
	if len(names) == 0 {
		return "no votes"
	}
	return "votes of " + strings.Join(names, ", ")
}
