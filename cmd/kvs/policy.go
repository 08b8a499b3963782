package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"kvs/node"
	"kvs/node/api"
)

type policyOptions struct {
	client clientOptions
	output outputFormat
}

// newPolicy is `kvs policy`.
func newPolicy(a *app) *cobra.Command {
	var o policyOptions
	cmd := &cobra.Command{
		Use:   "policy",
		Short: "Show or change under which prefixes every write is linearizable",
		Long: `Show the strong prefixes: the directories under which the cluster runs every write linearizably, whatever
level the write asked for, so that no client mixes levels there by mistake. Reads choose their own level. The whole
cluster agrees on the list; strong_prefixes in the configuration files counts only when the cluster is founded.`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.policy(cmd.Context(), o, nil) },
	}
	o.client.addFlags(cmd, false)
	o.output.addFlag(cmd, "text", "json")
	strong := &cobra.Command{Use: "strong", Short: "Add or remove strong prefixes", Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	strong.AddCommand(
		newChangePolicy(a, "add", "Make all writes under directories linearizable",
			func(have, names []string) []string { return append(have, names...) }),
		newChangePolicy(a, "remove", "Let writes under directories choose their level again",
			func(have, names []string) []string {
				return slices.DeleteFunc(have, func(p string) bool { return slices.Contains(names, p) })
			}))
	cmd.AddCommand(strong)
	return cmd
}

func newChangePolicy(a *app, verb, short string, change func(have, names []string) []string) *cobra.Command {
	var o policyOptions
	cmd := &cobra.Command{
		Use:   verb + " DIRECTORY/...",
		Short: short,
		Long: short + `. "/" is everything. The command returns when all reachable members apply the new list, and
names the others: until they are back they take writes as before.`,
		Args: usageArgs(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			names := slices.Clone(args)
			for i, name := range names {
				names[i] = strings.TrimRight(name, "/") + "/" // a directory, whether the slash was typed or not.
			}
			if _, err := node.CheckStrongPrefixes(names); err != nil {
				return usageError("%w", err)
			}
			return a.policy(cmd.Context(), o, func(have []string) []string { return change(have, names) })
		},
	}
	o.client.addFlags(cmd, false)
	o.output.addFlag(cmd, "text", "json")
	return cmd
}

// policy shows the prefixes, after changing them if that was asked for. A concurrent change is an error, and is not
// undone.
func (a *app) policy(ctx context.Context, o policyOptions, change func(have []string) []string) error {
	if err := o.output.check(); err != nil {
		return err
	}
	return a.ask(ctx, &o.client, func(ctx context.Context, c cluster, _ node.Level) error {
		p, err := c.Policy(ctx)
		if err != nil {
			return err
		}
		if change != nil {
			wanted := api.WantedPolicy{StrongPrefixes: change(slices.Clone(p.StrongPrefixes)), Epoch: p.Epoch}
			if p, err = c.SetPolicy(ctx, wanted); err != nil {
				return err
			}
		}
		if o.output.is("json") {
			return writeJSON(a.out, p)
		}
		if p.Note != "" {
			a.say("%s", p.Note)
		}
		if len(p.StrongPrefixes) == 0 {
			_, err = fmt.Fprintln(a.out, "no strong prefixes: every write runs at the level that it asks for")
			return err
		}
		for _, prefix := range p.StrongPrefixes {
			if _, err = fmt.Fprintln(a.out, prefix); err != nil {
				return err
			}
		}
		return nil
	})
}
