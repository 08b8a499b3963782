package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"kvs/node"
	"kvs/node/api"
	"kvs/node/host/seal"
)

// newKeyring is `kvs keyring`.
func newKeyring(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keyring",
		Short: "Show and change the keys that gossip is sealed with",
		Long: `Show and change the keys that gossip is sealed with, on all members that are alive.

To replace a key: kvs keyring install (prints its identifier), then use, and at last remove the old
key. Each step names the members that could not take it; repeat the step before the next one.`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		&cobra.Command{
			Use: "create FILE", Short: "Write a keyring with one new key, for gossip.keyring of all nodes",
			Args: usageArgs(cobra.ExactArgs(1)),
			RunE: func(_ *cobra.Command, args []string) error { return a.createKeyring(args[0]) },
		},
		newKeyringChange(a, "list", "Show which member has which key", cobra.NoArgs),
		newKeyringChange(a, "install", "Draw a key and give it to all members, which open with it from then on",
			cobra.NoArgs),
		newKeyringChange(a, "use KEY", "Make a key that all members have the one that seals", cobra.ExactArgs(1)),
		newKeyringChange(a, "remove KEY", "Take a key that seals nowhere out of all keyrings", cobra.ExactArgs(1)),
	)
	return cmd
}

func newKeyringChange(a *app, use, short string, args cobra.PositionalArgs) *cobra.Command {
	var o clientOptions
	var output outputFormat // of list alone.
	cmd := &cobra.Command{
		Use: use, Short: short, Args: usageArgs(args),
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Name() == "list" {
				if err := output.check(); err != nil {
					return err
				}
			}
			change := api.KeyringChange{Action: cmd.Name()}
			if len(args) > 0 {
				if _, err := seal.ParseKeyID(args[0]); err != nil {
					return coded(exitUsage, err)
				}
				change.ID = args[0]
			}
			return a.ask(cmd.Context(), &o, func(ctx context.Context, c cluster, _ node.Level) error {
				return a.keyring(ctx, c, &o, change, output)
			})
		},
	}
	o.addFlags(cmd, false)
	if cmd.Name() == "list" {
		output.addFlag(cmd, "table", "json")
	}
	return cmd
}

func (a *app) createKeyring(path string) error {
	key, err := seal.NewKey()
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return coded(exitUsage, err)
	}
	_, err = f.Write(seal.Document(key))
	return errors.Join(err, f.Sync(), f.Close())
}

// keys are those of one member.
type keys struct {
	member  member
	cluster cluster
	list    []api.KeyringKey
	err     error
}

func (k *keys) has(id string) (has, primary bool) {
	for _, key := range k.list {
		if key.ID == id {
			return true, key.Primary
		}
	}
	return false, false
}

// keyring asks all members, makes the change, and shows the keys of all.
func (a *app) keyring(ctx context.Context, c cluster, o *clientOptions, change api.KeyringChange,
	output outputFormat) error {
	all, err := a.allKeys(ctx, c, o)
	if err != nil {
		return err
	}
	if change.Action == "install" {
		key, err := seal.NewKey()
		if err != nil {
			return err
		}
		change.Key = key.Text()
		defer fmt.Fprintln(a.out, key.ID())
	}
	if err := mayChange(all, change); err != nil {
		return err
	}
	var errs []error
	for _, k := range all {
		if change.Action != "list" && k.err == nil {
			var now api.Keyring
			if now, k.err = k.cluster.ChangeKeyring(ctx, change); k.err == nil {
				k.list = now.Keys
			}
		}
		if k.err != nil {
			errs = append(errs, fmt.Errorf("%s at %s: %w", k.member.Name, k.member.Address, k.err))
		}
	}
	if change.Action == "install" {
		return a.worst(errs)
	}
	if output.is("json") {
		list := make([]memberKeys, 0, len(all))
		for _, k := range all {
			list = append(list, memberKeys{k.member.Name, k.member.Address, k.list})
		}
		return errors.Join(writeJSON(a.out, list), a.worst(errs))
	}
	t := tabwriter.NewWriter(a.out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "MEMBER\tADDRESS\tKEYS")
	for _, k := range all {
		var ids []string
		for _, key := range k.list {
			if key.Primary {
				key.ID += " (seals)"
			}
			ids = append(ids, key.ID)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\n", k.member.Name, k.member.Address, orDash(strings.Join(ids, ", ")))
	}
	return errors.Join(t.Flush(), a.worst(errs))
}

// memberKeys is what `kvs keyring list -o json` prints of a member. Keys is null for one that did not answer.
type memberKeys struct {
	Name    string           `json:"name"`
	Address string           `json:"address"`
	Keys    []api.KeyringKey `json:"keys"`
}

// allKeys asks each member, and reports those that cannot be reached.
func (a *app) allKeys(ctx context.Context, c cluster, o *clientOptions) ([]*keys, error) {
	members, err := c.Members(ctx)
	if err != nil {
		return nil, err
	}
	to, err := o.access(a.getenv)
	if err != nil {
		return nil, err
	}
	var out []*keys
	for _, m := range members {
		if m.State == "left" || m.State == "removed" {
			continue
		}
		k := &keys{member: m}
		to.endpoints = []string{m.Address}
		if k.cluster, k.err = a.connect(to); k.err == nil {
			var ring api.Keyring
			ring, k.err = k.cluster.Keyring(ctx)
			k.list = ring.Keys
		}
		out = append(out, k)
	}
	return out, nil
}

// mayChange keeps a change from cutting members off: a key may seal when all members have it, and may be removed when
// none seals with it.
func mayChange(all []*keys, change api.KeyringChange) error {
	for _, k := range all {
		if k.err != nil {
			continue
		}
		has, primary := k.has(change.ID)
		switch {
		case change.Action == "use" && !has:
			return fmt.Errorf("%s does not have key %s, and would drop the datagrams of the others: "+
				"install it there first", k.member.Name, change.ID)
		case change.Action == "remove" && primary:
			return fmt.Errorf("%s seals with key %s: let all members use another one first", k.member.Name, change.ID)
		}
	}
	return nil
}
