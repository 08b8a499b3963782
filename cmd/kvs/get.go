package main

import (
	"context"
	"io"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"kvs/node"
)

type getOptions struct {
	client clientOptions
	output outputFormat
}

func newGet(a *app) *cobra.Command {
	var o getOptions
	cmd := &cobra.Command{
		Use:   "get PATH",
		Short: "Read a value",
		Long:  "Read the value under a path. The bytes go to stdout as they are, without an added line break.",
		Args:  usageArgs(cobra.ExactArgs(1)),
		RunE:  func(cmd *cobra.Command, args []string) error { return a.get(cmd.Context(), args[0], o) },
	}
	o.client.addFlags(cmd, true)
	o.output.addFlag(cmd, "raw", "json")
	return cmd
}

func (a *app) get(ctx context.Context, path string, o getOptions) error {
	if err := o.output.check(); err != nil {
		return err
	}
	if err := checkPath(path); err != nil {
		return err
	}
	return a.ask(ctx, &o.client, func(ctx context.Context, c cluster, level node.Level) error {
		v, err := c.Get(ctx, path, level)
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

// writeValueJSON shows text as text and anything else in base64, so that nothing is changed on the way.
func writeValueJSON(w io.Writer, v value) error {
	out := struct {
		value
		Value  *string `json:"value,omitempty"`
		Base64 []byte  `json:"value_base64,omitempty"`
	}{value: v}
	if utf8.Valid(v.Body) {
		text := string(v.Body)
		out.Value = &text
	} else {
		out.Base64 = v.Body
	}
	return writeJSON(w, out)
}
