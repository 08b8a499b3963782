package bulk

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"kvs/node"
	"kvs/node/client"
	"kvs/node/slot"
)

// NewRenew is `kvs renew`.
func NewRenew(e *Env) *cobra.Command {
	var ttl, match string
	cmd := &cobra.Command{
		Use:   "renew PATH --ttl TIME",
		Short: "Let a value live longer, without sending it",
		Long: `Let the value under a path live for TIME from now on: whole seconds, a duration such as 90m, or none
for ever. The value stays as it is and gets a new version. Linearizable; it may be repeated.`,
	}
	ask := e.Asker(cmd, false, 10*time.Second)
	format := e.Output(cmd, "text", "json")
	cmd.Flags().StringVar(&ttl, "ttl", "", "how long the value lives from now on")
	cmd.Flags().StringVar(&match, "if-match", "", "only if the path shows this ETag (see kvs get -o json)")
	cmd.Args = e.exactArgs("kvs renew")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		form, err := format()
		if err != nil {
			return err
		}
		if err := slot.CheckPath(args[0]); err != nil {
			return e.Usage("%w", err)
		}
		lives := client.Forever
		if ttl != "none" {
			if lives, err = slot.ParseTTL(ttl); err != nil {
				return e.Usage("--ttl: %w; or write none", err)
			}
		}
		var cond client.Condition
		if cmd.Flags().Changed("if-match") {
			if cond = client.IfVersion(strings.Trim(match, `"`)); strings.Trim(match, `" `) == "" {
				return e.Usage("--if-match is empty: give the ETag, or omit it")
			}
		}
		return ask(cmd.Context(), func(ctx context.Context, c *client.Client, _ node.Level) error {
			w, err := c.Renew(ctx, args[0], cond, lives)
			if err != nil {
				return err
			}
			if form == "json" {
				return writeJSON(e.Out, struct {
					Path string `json:"path"`
					ETag string `json:"etag"`
					Node string `json:"node"`
				}{args[0], w.ETag, w.Node})
			}
			_, err = fmt.Fprintf(e.Out, "renewed %s\n", args[0])
			return err
		})
	}
	return cmd
}
