package bulk

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"kvs/node"
	"kvs/node/api"
	"kvs/node/client"
	"kvs/node/client/archive"
)

// NewBackup is `kvs backup`.
func NewBackup(e *Env) *cobra.Command {
	x := exporting{backup: true}
	cmd := &cobra.Command{
		Use:   "backup FILE",
		Short: "Write everything that a cluster holds to a file",
		Long: `Write all values of a cluster to a file, as kvs export does, and with them its policy, the names of its
voters, and its tokens with their rights (not their secrets, which the cluster does not know). With
credentials it needs those of an administrator. kvs restore fills a new cluster with it.

  kvs backup cluster.backup
  kvs backup verify cluster.backup`,
	}
	run := e.exportFlags(cmd, &x)
	cmd.Args = e.exactArgs("kvs backup")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		x.file = args[0]
		return run(cmd.Context())
	}
	cmd.AddCommand(newVerify(e))
	return cmd
}

// newVerify is `kvs backup verify`.
func newVerify(e *Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "verify FILE",
		Short: "Check that a backup or an export is whole",
		Long: `Read a file that kvs backup or kvs export has made, and check all of it. A file that was cut off or
altered is refused with the place: block, byte and last path before it.`,
	}
	format := e.Output(cmd, "text", "json")
	cmd.Args = e.exactArgs("kvs backup verify")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		form, err := format()
		if err != nil {
			return err
		}
		f, err := os.Open(args[0])
		if err != nil {
			return e.Usage("%w", err)
		}
		defer f.Close()
		r, err := verified(f)
		if err != nil {
			return fmt.Errorf("%s: %w", args[0], err)
		}
		if form == "json" {
			return writeJSON(e.Out, struct {
				archive.Head
				archive.End
			}{r.Head, r.End})
		}
		kind := "an export"
		if r.Head.State != nil {
			kind = "a backup"
		}
		_, err = fmt.Fprintf(e.Out, "%s: whole: %s of cluster %s, %d values, %d bytes, begun %s, ended %s\n", args[0],
			kind, r.Head.Cluster, r.End.Values, r.End.Bytes, r.Head.Begun.Format("2006-01-02 15:04:05 MST"),
			r.End.Ended.Format("2006-01-02 15:04:05 MST"))
		return err
	}
	return cmd
}

// NewRestore is `kvs restore`.
func NewRestore(e *Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "restore FILE",
		Short: "Fill a new cluster with a backup",
		Long: `Fill a cluster that is founded and holds no value with a backup: first its policy, then its values. Make
the new cluster with kvs init and kvs start, with data folders of its own.

All values get new versions, so an ETag of the former cluster matches nothing in the new one, and the new
cluster has another founding: members of the two never mix. Tokens have to be made again: the backup has
their names and rights, which are shown, and not their secrets. A restore that was interrupted is
repeated with --continue.`,
	}
	var more bool
	ask := e.Asker(cmd, true, timeoutDefault)
	format := e.Output(cmd, "text", "json")
	cmd.Flags().BoolVar(&more, "continue", false, "the cluster holds a part of this backup: write what is missing")
	cmd.Args = e.exactArgs("kvs restore")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		form, err := format()
		if err != nil {
			return err
		}
		r, total, end, err := e.openArchive(args[0])
		if err != nil {
			return err
		}
		defer end()
		if r.Head.State == nil {
			return e.Usage("%s is an export and no backup: kvs import writes its values", args[0])
		}
		return ask(cmd.Context(), func(ctx context.Context, c *client.Client, level node.Level) error {
			if err := e.prepare(ctx, c, &r.Head, more); err != nil {
				return err
			}
			report, err := e.load(ctx, c, level, r, total, importing{ifAbsent: more})
			if err == nil {
				e.tokensToMake(r.Head.State.Tokens)
			}
			return e.report(report, err, form == "json")
		})
	}
	return cmd
}

// prepare refuses a cluster that a backup must not be restored to, and gives it the policy.
func (e *Env) prepare(ctx context.Context, c *client.Client, head *archive.Head, more bool) error {
	st, err := c.Status(ctx)
	if err != nil {
		return err
	}
	switch {
	case st.Voters.Founding == "":
		return errors.New("the cluster is not founded yet: start all its members first")
	case st.Voters.Founding == head.Founding:
		return e.Usage("this is the cluster that the backup was made of: kvs import writes values back to it")
	}
	n, err := c.Count(ctx, "", true)
	if err != nil {
		return err
	}
	if n.Values > 0 && !more {
		return e.Usage("the cluster holds %d values: a backup is restored to a new cluster; kvs import writes "+
			"its values to any, and --continue goes on with a restore", n.Values)
	}
	if len(head.State.StrongPrefixes) == 0 {
		return nil
	}
	_, err = c.SetPolicy(ctx, api.WantedPolicy{StrongPrefixes: head.State.StrongPrefixes})
	return err
}

// tokensToMake shows the tokens of the former cluster.
func (e *Env) tokensToMake(tokens []api.Token) {
	for i := range tokens {
		t := &tokens[i]
		var rules []string
		for _, r := range t.Rules {
			for _, list := range []struct {
				word   string
				rights []string
			}{{"--allow", r.Allow}, {"--deny", r.Deny}} {
				if len(list.rights) > 0 {
					rules = append(rules, list.word+" "+strings.Join(list.rights, ",")+":"+r.Prefix)
				}
			}
		}
		if t.Certificate {
			rules = append(rules, "--certificate")
		}
		e.Say("a token to make again: kvs token create --name %s %s", t.Name, strings.Join(rules, " "))
	}
}
