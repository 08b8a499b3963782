package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"kvs/node"
	"kvs/node/client"
	"kvs/node/slot"
)

type listOptions struct {
	client    clientOptions
	output    outputFormat
	recursive bool
	limit     int
	after     string
	values    bool
	count     bool
}

func newList(a *app) *cobra.Command {
	var o listOptions
	cmd := &cobra.Command{
		Use:     "ls [DIRECTORY]",
		Aliases: []string{"list"},
		Short:   "List what is below a directory",
		Long: `List the values and directories directly below a directory, or with --recursive all values below
it, one path a line in byte order. Without DIRECTORY: from the root.

With --values each line is a JSON document of an entry and its value, as they come. With --count only
the numbers of values, bytes and directories are printed.`,
		Args: usageArgs(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.count && !cmd.Flags().Changed("timeout") {
				o.client.timeout = countTimeout
			}
			return a.list(cmd.Context(), strings.Join(args, ""), o)
		},
	}
	o.client.addFlags(cmd, false)
	o.output.addFlag(cmd, "raw", "json")
	cmd.Flags().BoolVarP(&o.recursive, "recursive", "r", false, "all values below, instead of the direct children")
	cmd.Flags().IntVar(&o.limit, "limit", 0, "stop after so many entries (0: show all)")
	cmd.Flags().StringVar(&o.after, "after", "", "begin after this path")
	cmd.Flags().BoolVar(&o.values, "values", false, "with the values, one JSON document a line")
	cmd.Flags().BoolVar(&o.count, "count", false, "count instead of listing")
	return cmd
}

func (a *app) list(ctx context.Context, dir string, o listOptions) error {
	if err := o.output.check(); err != nil {
		return err
	}
	switch {
	case o.limit < 0:
		return usageError("--limit %d: want 0 or more", o.limit)
	case o.count && (o.values || o.limit > 0 || o.after != ""):
		return usageError("--count counts all: omit --values, --limit and --after")
	}
	dir, err := directory(dir)
	if err != nil {
		return err
	}
	if o.count || o.values {
		return a.askReal(ctx, &o.client, func(ctx context.Context, c *client.Client, _ node.Level) error {
			if o.count {
				return a.bulk().Count(ctx, c, dir, o.recursive, o.output.is("json"))
			}
			req := node.ListRequest{Directory: dir, Recursive: o.recursive, After: o.after}
			return a.bulk().Values(ctx, c, req, o.limit)
		})
	}
	out := entryWriter{w: a.out, json: o.output.is("json")}
	return a.ask(ctx, &o.client, func(ctx context.Context, c cluster, _ node.Level) error {
		req := node.ListRequest{Directory: dir, Recursive: o.recursive, After: o.after}
		for left := o.limit; ; {
			req.Limit = node.ListLimitDefault
			if o.limit > 0 {
				req.Limit = min(req.Limit, left)
			}
			p, err := c.List(ctx, req)
			if err != nil {
				return err
			}
			if err := out.write(p.Entries); err != nil {
				return err
			}
			left -= len(p.Entries)
			if !p.More || (o.limit > 0 && left <= 0) {
				return out.close()
			}
			if p.Next <= req.After {
				return fmt.Errorf("list %q: the page after %q ends at %q: the server goes round in circles", dir,
					req.After, p.Next)
			}
			req.After = p.Next
		}
	})
}

// countTimeout is how long a command may take that goes through everything.
const countTimeout = 24 * time.Hour

// directory is what an argument names: with or without slashes around it.
func directory(arg string) (string, error) {
	dir := strings.TrimPrefix(arg, "/")
	if dir != "" && !strings.HasSuffix(dir, "/") {
		dir += "/"
	}
	if err := slot.CheckDirectory(dir); err != nil {
		return "", coded(exitUsage, err)
	}
	return dir, nil
}

// entryWriter prints pages as they come: lines, or one JSON array at the end, when it is complete.
type entryWriter struct {
	w    io.Writer
	json bool
	all  []entry
}

func (e *entryWriter) write(entries []entry) error {
	if e.json {
		e.all = append(e.all, entries...)
		return nil
	}
	for _, x := range entries {
		if _, err := fmt.Fprintln(e.w, x.Path); err != nil {
			return err
		}
	}
	return nil
}

func (e *entryWriter) close() error {
	if !e.json {
		return nil
	}
	return writeJSON(e.w, append([]entry{}, e.all...))
}
