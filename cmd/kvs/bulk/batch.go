package bulk

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"kvs/node"
	"kvs/node/api"
	"kvs/node/client"
)

// fileBytesMax bounds what the command reads into memory.
const fileBytesMax = 256 << 20

// NewBatch is `kvs batch`.
func NewBatch(e *Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "batch FILE|-",
		Short: "Run many reads and writes",
		Long: `Run the operations of a file, or of stdin with -: a JSON array, or one operation a line. Each has
op (get, put or delete) and path, and may have consistency, value or value_base64, content_type, ttl,
if_match and if_none_match (lists of ETags, or "*"), and idempotency_key.

  {"op":"put","path":"a/b","value":"text","ttl":"90m"}
  {"op":"put","path":"a/c","value_base64":"AP8=","if_none_match":["*"]}
  {"op":"get","path":"a/b","consistency":"quorum"}
  {"op":"delete","path":"a/d"}

A batch is NOT ATOMIC: each operation succeeds or fails on its own, and the results, one a line, say
which. Operations on one path run in the order of the file, those on different paths at the same
time. More than 128 are sent as several batches, one after the other.`,
	}
	ask := e.Asker(cmd, true, 10*time.Minute)
	format := e.Output(cmd, "text", "json")
	cmd.Args = e.exactArgs("kvs batch")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		form, err := format()
		if err != nil {
			return err
		}
		ops, err := e.readOperations(args[0])
		if err != nil {
			return err
		}
		return ask(cmd.Context(), func(ctx context.Context, c *client.Client, level node.Level) error {
			return e.batch(ctx, c, level, ops, form == "json")
		})
	}
	return cmd
}

// readOperations reads a whole file, so that a mistake in it is found before anything is sent.
func (e *Env) readOperations(name string) ([]api.BatchOperation, error) {
	in := e.In
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, e.Usage("%w", err)
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(bufio.NewReader(in), fileBytesMax+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read %s: %w", name, err)
	case len(text) > fileBytesMax:
		return nil, e.Usage("%s holds more than %d bytes: split it, or use kvs import", name, fileBytesMax)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	var ops []api.BatchOperation
	if bytes.HasPrefix(bytes.TrimSpace(text), []byte("[")) {
		err = d.Decode(&ops)
	} else {
		for err == nil {
			var op api.BatchOperation
			if err = d.Decode(&op); err == nil {
				ops = append(ops, op)
			}
		}
		if errors.Is(err, io.EOF) {
			err = nil
		}
	}
	switch {
	case err != nil:
		return nil, e.Usage("%s, operation %d: %w; see kvs batch --help", name, len(ops)+1, err)
	case len(ops) == 0:
		return nil, e.Usage("%s holds no operation; see kvs batch --help", name)
	}
	return ops, nil
}

// batch sends the operations in as many batches as they need, and prints the results as they come.
func (e *Env) batch(ctx context.Context, c *client.Client, level node.Level, ops []api.BatchOperation,
	asJSON bool) error {
	all := []api.BatchResult{}
	failed, unknown := 0, false
	for len(ops) > 0 {
		n := pack(ops)
		part := ops[:n]
		if level != node.DefaultLevel {
			for i := range part {
				if part[i].Consistency == "" {
					part[i].Consistency = level.String()
				}
			}
		}
		results, err := c.Batch(ctx, part)
		if err != nil {
			if len(all) > 0 {
				e.Say("the first %d operations have been sent, the other %d have not", len(all), len(ops))
			}
			return err
		}
		for i := range results {
			r := &results[i]
			if r.Problem != nil {
				failed++
			}
			unknown = unknown || isUnknown(r)
			if !asJSON {
				if _, err := fmt.Fprintln(e.Out, resultLine(r)); err != nil {
					return err
				}
			}
		}
		all, ops = append(all, results...), ops[n:]
	}
	if asJSON {
		if err := writeJSON(e.Out, all); err != nil {
			return err
		}
	}
	if failed > 0 {
		return e.Failed(unknown, fmt.Errorf("%d of %d operations failed", failed, len(all)))
	}
	return nil
}

// pack is how many of the operations fit in one batch; at least one.
func pack(ops []api.BatchOperation) int {
	bytes := 0
	for i := range ops {
		op := &ops[i]
		bytes += len(op.Path) + len(op.ContentType) + 4*len(op.Base64)/3 + 512
		if op.Text != nil {
			bytes += len(*op.Text) * 2 // with what JSON escapes: a bound for text, not for control characters.
		}
		for _, tag := range op.IfMatch {
			bytes += len(tag)
		}
		if i > 0 && (i == api.BatchOperationsMax || bytes > api.BatchBytesMax) {
			return i
		}
	}
	return len(ops)
}

// resultLine is a result for people.
func resultLine(r *api.BatchResult) string {
	switch {
	case r.Problem != nil && r.Problem.Outcome == api.Unknown:
		return fmt.Sprintf("%s %s: unknown: %s: %s", r.Op, r.Path, r.Problem.Code, r.Problem.Detail)
	case r.Problem != nil:
		return fmt.Sprintf("%s %s: failed: %s: %s", r.Op, r.Path, r.Problem.Code, r.Problem.Detail)
	case r.Op == api.BatchGet:
		return fmt.Sprintf("get %s: %d bytes", r.Path, api.ValueBytes(r.Text, r.Base64))
	case r.Op == api.BatchDelete:
		return "delete " + r.Path + ": deleted"
	case r.Status == 201:
		return "put " + r.Path + ": created"
	}
	return "put " + r.Path + ": updated"
}
