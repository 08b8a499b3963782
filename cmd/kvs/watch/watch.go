// Package watch is the command `kvs watch`. Begin with New.
package watch

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"os"
	"os/exec"
	"time"

	"github.com/spf13/cobra"

	"kvs/cmd/kvs/bulk"
	"kvs/node"
	"kvs/node/api"
	"kvs/node/client"
)

const long = `Show what changes below a directory, which ends in a slash, or under one path, until Ctrl-C; / is
everything. It begins with a put of each value that is there. When the node that is asked stops or
fails, it goes on at another endpoint, and shows what is different there from what it has shown.

With --exec a shell runs the command for each change, one after the other, with KVS_EVENT (put or
delete), KVS_PATH, KVS_ETAG and KVS_TOKEN in its environment, and the value of a put on stdin.

With --output json each change is one line, whose token --since takes: it goes on after that change.
--events shows all events as they come: snapshot-begin, snapshot-end and bookmark too.`

// never is longer than a command runs.
const never = 10 * 365 * 24 * time.Hour

type options struct {
	since  string
	run    string
	values bool
	events bool
	limit  int
	json   bool
}

// New is `kvs watch`.
func New(e *bulk.Env) *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use: "watch PREFIX", Short: "Show changes as they happen", Long: long,
		Example: "  kvs watch orders/\n  kvs watch config/limits --exec 'cat > limits.json && reload'",
	}
	ask := e.Asker(cmd, false, never)
	cmd.Flags().Lookup("timeout").DefValue = "none"
	format := e.Output(cmd, "text", "json")
	f := cmd.Flags()
	f.StringVar(&o.since, "since", "", "go on after the change with this token")
	f.StringVar(&o.run, "exec", "", "command to run for each change, by sh -c")
	f.BoolVar(&o.values, "values", false, "bring the values too, in the JSON; --exec does")
	f.BoolVar(&o.events, "events", false, "show all events as they come")
	f.IntVar(&o.limit, "limit", 0, "end after so many changes; 0: go on until interrupted")
	cmd.Args = func(_ *cobra.Command, args []string) error {
		if len(args) != 1 {
			return e.Usage("accepts 1 arg(s), received %d; see kvs watch --help", len(args))
		}
		return nil
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		form, err := format()
		if err != nil {
			return err
		}
		o.json = form == "json"
		if o.limit < 0 {
			return e.Usage("--limit %d: want 0 or more", o.limit)
		}
		target := args[0]
		if target == "/" {
			target = ""
		}
		return ask(cmd.Context(), func(ctx context.Context, c *client.Client, _ node.Level) error {
			return follow(ctx, e, c, target, &o)
		})
	}
	return cmd
}

// follow shows changes until ctx ends, or there have been enough.
func follow(ctx context.Context, e *bulk.Env, c *client.Client, target string, o *options) error {
	w := client.WatchOptions{Since: o.since, Values: o.values || o.run != ""}
	var all iter.Seq2[api.WatchEvent, error]
	if o.events {
		all = c.Watch(ctx, target, w)
	} else {
		all = c.Changes(ctx, target, w)
	}
	shown := 0
	for ev, err := range all {
		if err != nil {
			return err
		}
		if err := show(ctx, e, &ev, o); err != nil {
			return err
		}
		if ev.Event == client.EventPut || ev.Event == client.EventDelete {
			if shown++; shown == o.limit {
				return nil
			}
		}
	}
	return nil
}

func show(ctx context.Context, e *bulk.Env, ev *api.WatchEvent, o *options) error {
	if o.run != "" {
		if ev.Path != "" {
			run(ctx, e, ev, o.run)
		}
		return nil
	}
	if !o.json {
		line := ev.Event
		if ev.Path != "" {
			line += " " + ev.Path
		}
		_, err := fmt.Fprintln(e.Out, line)
		return err
	}
	line, err := json.Marshal(ev)
	if err != nil {
		return err
	}
	_, err = e.Out.Write(append(line, '\n'))
	return err
}

// run runs the command for one change. A command that fails is told of, and the watch goes on.
func run(ctx context.Context, e *bulk.Env, ev *api.WatchEvent, command string) {
	cmd := exec.CommandContext(ctx, "sh", "-c", command)
	cmd.Env = append(os.Environ(), "KVS_EVENT="+ev.Event, "KVS_PATH="+ev.Path, "KVS_ETAG="+ev.ETag,
		"KVS_TOKEN="+ev.Token)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(api.JoinValue(ev.Text, ev.Base64)), e.Out, e.Err
	if err := cmd.Run(); err != nil && ctx.Err() == nil {
		e.Say("the command failed for %s %s: %v", ev.Event, ev.Path, err)
	}
}
