package main

import (
	"context"
	"fmt"
	"io"
	"mime"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"kvs/node"
	"kvs/node/slot"
)

type putOptions struct {
	client      clientOptions
	output      outputFormat
	condition   conditionOptions
	file        string
	contentType string
	ttl         string
}

func newPut(a *app) *cobra.Command {
	var o putOptions
	cmd := &cobra.Command{
		Use:   "put PATH VALUE|-",
		Short: "Write a value",
		Long: `Write a value under a path: VALUE itself, the bytes of stdin when VALUE is -, or a file with --file.
Put two dashes before a VALUE that begins with a dash: kvs put PATH -- -5`,
		Args: usageArgs(cobra.RangeArgs(1, 2)),
		RunE: func(cmd *cobra.Command, args []string) error { return a.put(cmd.Context(), args, o) },
	}
	o.client.addFlags(cmd, true)
	o.output.addFlag(cmd, "text", "json")
	o.condition.addFlags(cmd)
	cmd.Flags().BoolVar(&o.condition.create, "create", false, "only if there is no value yet; linearizable")
	cmd.Flags().StringVarP(&o.file, "file", "f", "", "take the value from this file")
	cmd.Flags().StringVar(&o.contentType, "content-type", "",
		"media type, kept and given back (default: text/plain for VALUE, by the name for --file)")
	cmd.Flags().StringVar(&o.ttl, "ttl", "",
		"how long the value lives: whole seconds, or a duration such as 90m (default: for ever)")
	_ = cmd.MarkFlagFilename("file")
	return cmd
}

func (a *app) put(ctx context.Context, args []string, o putOptions) error {
	if err := o.output.check(); err != nil {
		return err
	}
	path := args[0]
	if err := checkPath(path); err != nil {
		return err
	}
	cond, err := o.condition.condition(&o.client)
	if err != nil {
		return err
	}
	var ttl time.Duration
	if o.condition.given("ttl") {
		if ttl, err = slot.ParseTTL(o.ttl); err != nil {
			return usageError("--ttl: %v", err)
		}
	}
	body, contentType, err := a.putBody(args[1:], o)
	if err != nil {
		return err
	}
	return a.ask(ctx, &o.client, func(ctx context.Context, c cluster, level node.Level) error {
		w, err := c.Put(ctx, path, level, cond, ttl, body, contentType)
		if err != nil {
			return err
		}
		if o.output.is("json") {
			return writeJSON(a.out, w)
		}
		verb := "updated"
		if w.Created {
			verb = "created"
		}
		_, err = fmt.Fprintf(a.out, "%s %s\n", verb, path)
		return err
	})
}

// putBody is the value, from one of its three places, and its media type.
func (a *app) putBody(values []string, o putOptions) (body []byte, contentType string, err error) {
	switch {
	case o.file != "" && len(values) > 0:
		return nil, "", usageError("a VALUE and --file: which one shall it be?")
	case o.file != "":
		f, err := os.Open(o.file)
		if err != nil {
			return nil, "", coded(exitUsage, err)
		}
		defer f.Close()
		body, err = readValue(f, o.file)
		if err != nil {
			return nil, "", err
		}
		contentType = mime.TypeByExtension(filepath.Ext(o.file))
	case len(values) == 0:
		return nil, "", usageError("no value: give it, or - for stdin, or --file")
	case values[0] == "-":
		if body, err = readValue(a.in, "stdin"); err != nil {
			return nil, "", err
		}
	default:
		body, contentType = []byte(values[0]), "text/plain; charset=utf-8"
	}
	if o.contentType != "" {
		contentType = o.contentType
	}
	if contentType == "" {
		contentType = "application/octet-stream"
	}
	return body, contentType, nil
}

// readValue reads no more than any node would accept.
func readValue(r io.Reader, name string) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r, slot.ValueBytesHardMax+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if len(body) > slot.ValueBytesHardMax {
		return nil, usageError("%s holds more than %d bytes, which is the most a value may have", name,
			slot.ValueBytesHardMax)
	}
	return body, nil
}
