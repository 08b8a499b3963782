package main

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"kvs/node"
	"kvs/node/api"
	"kvs/node/client/profile"
)

// newToken is `kvs token`.
func newToken(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Make, show and revoke tokens, which carry the rights of clients",
		Args:  usageArgs(cobra.NoArgs),
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newTokenCreate(a), newTokenList(a), newTokenRevoke(a))
	return cmd
}

type tokenCreateOptions struct {
	client      clientOptions
	name        string
	allow, deny []string
	expires     time.Duration
	certificate bool
}

func newTokenCreate(a *app) *cobra.Command {
	var o tokenCreateOptions
	cmd := &cobra.Command{
		Use:   "create --name NAME --allow RIGHTS:PREFIX...",
		Short: "Make a token and print it; it is not shown again",
		Long: `Make a token and print it; it is not shown again.

A rule is a list of the rights read, write, list, watch and admin, a colon, and a prefix: a path and
everything below it, or nothing for everything. For each right the longest prefix that mentions it
decides, and a denial wins between equal ones. What no rule mentions is denied. admin stands for
members, voters, mode, policy, keyring and tokens.

  kvs token create --name ci --allow read,list: --allow write:builds/ --deny read:builds/keys/

With --certificate no token is made: the rules are for certificates of the client NAME, which
kvs cert issue --client NAME makes.`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.createToken(cmd.Context(), &o) },
	}
	o.client.addFlags(cmd, false)
	cmd.Flags().StringVar(&o.name, "name", "", "name of its owner (required)")
	cmd.Flags().StringArrayVar(&o.allow, "allow", nil,
		"rights that are allowed on a prefix, such as read,list:orders/; repeat it for more")
	cmd.Flags().StringArrayVar(&o.deny, "deny", nil, "rights that are denied on a prefix; repeat it for more")
	cmd.Flags().DurationVar(&o.expires, "expires", 0,
		"how long it is valid, such as 720h (default: until it is revoked)")
	cmd.Flags().BoolVar(&o.certificate, "certificate", false,
		"give the rules to certificates of the client NAME instead")
	return cmd
}

func (a *app) createToken(ctx context.Context, o *tokenCreateOptions) error {
	w := api.WantedToken{Name: o.name, Certificate: o.certificate}
	if o.name == "" {
		return usageError("--name is missing: whose token is it?")
	}
	if o.expires != 0 {
		if w.TTLSeconds = int64(o.expires / time.Second); w.TTLSeconds < 1 {
			return usageError("--expires %v: want at least a second", o.expires)
		}
	}
	for _, list := range []struct {
		flag  string
		rules []string
	}{{"allow", o.allow}, {"deny", o.deny}} {
		for _, text := range list.rules {
			rights, prefix, ok := strings.Cut(text, ":")
			if !ok || rights == "" {
				return usageError("--%s %q: want RIGHTS:PREFIX, such as read,list:orders/", list.flag, text)
			}
			rule := api.TokenRule{Prefix: prefix}
			if list.flag == "allow" {
				rule.Allow = profile.Listed(rights)
			} else {
				rule.Deny = profile.Listed(rights)
			}
			w.Rules = append(w.Rules, rule)
		}
	}
	if len(w.Rules) == 0 {
		return usageError("--allow is missing: what may it do?")
	}
	return a.ask(ctx, &o.client, func(ctx context.Context, c cluster, _ node.Level) error {
		t, err := c.CreateToken(ctx, w)
		if err != nil {
			return err
		}
		if t.Token != "" {
			a.say("token %s; keep it in a file that only you can read, for --token-file", t.ID)
			fmt.Fprintln(a.out, t.Token)
		}
		return nil
	})
}

func newTokenList(a *app) *cobra.Command {
	var o struct {
		client clientOptions
		output outputFormat
	}
	cmd := &cobra.Command{
		Use: "list", Short: "Show the tokens, their rules and when they end", Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.output.check(); err != nil {
				return err
			}
			return a.ask(cmd.Context(), &o.client, func(ctx context.Context, c cluster, _ node.Level) error {
				all, err := c.Tokens(ctx)
				if err != nil {
					return err
				}
				if o.output.is("json") {
					return writeJSON(a.out, all.Tokens)
				}
				return a.tokenTable(all.Tokens)
			})
		},
	}
	o.client.addFlags(cmd, false)
	o.output.addFlag(cmd, "table", "json")
	return cmd
}

func (a *app) tokenTable(all []api.Token) error {
	t := tabwriter.NewWriter(a.out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "ID\tNAME\tENDS\tRULES")
	for _, token := range all {
		ends := "never"
		if token.Expires != nil {
			ends = token.Expires.UTC().Format(time.RFC3339)
		}
		var rules []string
		for _, r := range token.Rules {
			if len(r.Allow) > 0 {
				rules = append(rules, strings.Join(r.Allow, ",")+":"+r.Prefix)
			}
			if len(r.Deny) > 0 {
				rules = append(rules, "not "+strings.Join(r.Deny, ",")+":"+r.Prefix)
			}
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", token.ID, token.Name, ends, strings.Join(rules, "  "))
	}
	return t.Flush()
}

func newTokenRevoke(a *app) *cobra.Command {
	var o clientOptions
	cmd := &cobra.Command{
		Use: "revoke ID", Short: "Revoke a token: within a second no reachable member accepts it",
		Args: usageArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.ask(cmd.Context(), &o, func(ctx context.Context, c cluster, _ node.Level) error {
				return c.RevokeToken(ctx, args[0])
			})
		},
	}
	o.addFlags(cmd, false)
	return cmd
}
