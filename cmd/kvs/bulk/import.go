package bulk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"kvs/node"
	"kvs/node/api"
	"kvs/node/client"
	"kvs/node/client/archive"
	"kvs/node/slot"
)

const (
	importBytesMax   = 2 << 20 // of the values of a batch; a larger value is written alone.
	importTriesMax   = 5
	importPause      = time.Second
	importFailureMax = 1000 // then it stops.
)

// importing is what an import does.
type importing struct {
	ifAbsent bool
	prefix   string // before each path.
}

// imported is the report of an import, and the form of -o json.
type imported struct {
	Read    int               `json:"read"`
	Written int               `json:"written"`
	Present int               `json:"present"` // with --if-absent: there was a value.
	Expired int               `json:"expired"` // their time was up.
	Failed  []api.BatchResult `json:"failed"`
}

// NewImport is `kvs import`.
func NewImport(e *Env) *cobra.Command {
	var x importing
	cmd := &cobra.Command{
		Use:   "import FILE|-",
		Short: "Write the values of an export",
		Long: `Write the values of a file that kvs export or kvs backup has made. They are new values, with new
versions: what is there is replaced, or with --if-absent left as it is. A value with an end lives for
the rest of its time; one whose time is up is left out.

A file is checked whole before anything is written: a file that was cut off or altered is refused, with
the place. (What comes from stdin is checked block by block.) What was not applied is reported in the
end. An import may be repeated.`,
	}
	ask := e.Asker(cmd, true, timeoutDefault)
	format := e.Output(cmd, "text", "json")
	cmd.Args = e.exactArgs("kvs import")
	cmd.Flags().BoolVar(&x.ifAbsent, "if-absent", false, "leave paths that have a value as they are; linearizable")
	cmd.Flags().StringVar(&x.prefix, "prefix", "", "a directory: each path is written below it")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		form, err := format()
		if err != nil {
			return err
		}
		if x.prefix = strings.Trim(x.prefix, "/"); x.prefix != "" {
			x.prefix += "/"
			if err := slot.CheckDirectory(x.prefix); err != nil {
				return e.Usage("--prefix: %w", err)
			}
		}
		r, total, end, err := e.openArchive(args[0])
		if err != nil {
			return err
		}
		defer end()
		return ask(cmd.Context(), func(ctx context.Context, c *client.Client, level node.Level) error {
			report, err := e.load(ctx, c, level, r, total, x)
			return e.report(report, err, form == "json")
		})
	}
	return cmd
}

// openArchive opens a file that is whole, and says how many bytes of values it holds; stdin is taken as it is.
func (e *Env) openArchive(name string) (r *archive.Reader, total int64, end func(), err error) {
	if name == "-" {
		r, err = archive.NewReader(e.In)
		return r, 0, func() {}, err
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, 0, nil, e.Usage("%w", err)
	}
	end = func() { _ = f.Close() }
	whole, err := verified(f)
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err == nil {
		r, err = archive.NewReader(f)
	}
	if err != nil {
		end()
		return nil, 0, nil, e.Usage("%s: %w; nothing was written", name, err)
	}
	return r, whole.End.Bytes, end, nil
}

// loader writes the values of an archive.
type loader struct {
	env    *Env
	c      *client.Client
	level  node.Level
	x      importing
	report imported
	bar    *progress
	ops    []api.BatchOperation
	bytes  int // of their values.
}

// load writes all values. With an error the report says how far it came.
func (e *Env) load(ctx context.Context, c *client.Client, level node.Level, r *archive.Reader, total int64,
	x importing) (*imported, error) {
	l := &loader{env: e, c: c, level: level, x: x, report: imported{Failed: []api.BatchResult{}}}
	l.bar = e.newProgress("import", total)
	defer l.bar.end()
	for {
		entry, err := r.Next()
		if errors.Is(err, io.EOF) {
			return &l.report, l.flush(ctx)
		}
		if err == nil {
			err = l.add(ctx, entry)
		}
		if err != nil {
			return &l.report, err
		}
	}
}

func (l *loader) add(ctx context.Context, entry *api.Entry) error {
	l.report.Read++
	op := api.BatchOperation{Op: api.BatchPut, Path: l.x.prefix + entry.Path, Text: entry.Text, Base64: entry.Base64,
		ContentType: entry.ContentType}
	if l.level != node.DefaultLevel {
		op.Consistency = l.level.String()
	}
	if l.x.ifAbsent {
		op.IfNoneMatch = []string{"*"}
	}
	if entry.Expires != "" {
		at, err := time.Parse(time.RFC3339, entry.Expires)
		if err != nil {
			return fmt.Errorf("%q has an end that cannot be read: %w", entry.Path, err)
		}
		left := time.Until(at)
		if left < slot.TTLMin {
			l.report.Expired++
			l.bar.add(len(api.JoinValue(entry.Text, entry.Base64)))
			return nil
		}
		op.TTL = min(left, slot.TTLMax).Round(time.Second).String()
	}
	size := len(api.JoinValue(entry.Text, entry.Base64))
	if len(l.ops) == api.BatchOperationsMax || len(l.ops) > 0 && l.bytes+size > importBytesMax {
		if err := l.flush(ctx); err != nil {
			return err
		}
	}
	l.ops, l.bytes = append(l.ops, op), l.bytes+size
	return nil
}

// flush writes what was collected. What was refused only for now is tried again.
func (l *loader) flush(ctx context.Context) error {
	bytes := l.bytes
	for try := 1; len(l.ops) > 0; try++ {
		results, err := l.send(ctx)
		if err != nil {
			return err
		}
		var again []api.BatchOperation
		for i := range results {
			switch p := results[i].Problem; {
			case p == nil:
				l.report.Written++
			case p.Code == api.Precondition && l.x.ifAbsent:
				l.report.Present++
			case p.Retryable && p.Outcome == api.NotApplied && try < importTriesMax:
				again = append(again, l.ops[i])
			default:
				l.report.Failed = append(l.report.Failed, results[i])
			}
		}
		l.ops = again
		if len(l.report.Failed) >= importFailureMax {
			return fmt.Errorf("%d values could not be written: the import stops", len(l.report.Failed))
		}
		if len(again) > 0 {
			select {
			case <-time.After(importPause):
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	l.ops, l.bytes = nil, 0
	l.bar.add(bytes)
	return nil
}

// send writes a batch, or a value that is too large for one.
func (l *loader) send(ctx context.Context) ([]api.BatchResult, error) {
	if len(l.ops) > 1 || l.bytes <= importBytesMax {
		return l.c.Batch(ctx, l.ops)
	}
	op := &l.ops[0]
	out := []api.BatchResult{{Op: op.Op, Path: op.Path}}
	var cond client.Condition
	if op.IfNoneMatch != nil {
		cond = client.IfAbsent()
	}
	var ttl time.Duration
	if op.TTL != "" {
		var err error
		if ttl, err = slot.ParseTTL(op.TTL); err != nil {
			return nil, err
		}
	}
	_, err := l.c.PutFor(ctx, op.Path, l.level, cond, ttl, api.JoinValue(op.Text, op.Base64), op.ContentType)
	var refused *client.Error
	if errors.As(err, &refused) && refused.Status != 0 {
		out[0].Problem = &api.Problem{Code: refused.Code, Detail: refused.Detail, Retryable: refused.Retryable,
			Outcome: refused.Outcome, Status: refused.Status}
		return out, nil
	}
	return out, err
}

// report says what was done, and what was not.
func (e *Env) report(r *imported, err error, asJSON bool) error {
	unknown := false
	for i := range r.Failed {
		unknown = unknown || isUnknown(&r.Failed[i])
	}
	if asJSON {
		if jsonErr := writeJSON(e.Out, r); jsonErr != nil {
			return jsonErr
		}
	} else {
		for i := range r.Failed {
			e.Say("%s", resultLine(&r.Failed[i]))
		}
		fmt.Fprintf(e.Out, "%d values read, %d written, %d left as they were, %d had ended, %d failed\n", r.Read,
			r.Written, r.Present, r.Expired, len(r.Failed))
	}
	if err != nil {
		e.Say("the import did not come to its end; it may be repeated")
		return err
	}
	if len(r.Failed) > 0 {
		return e.Failed(unknown, fmt.Errorf("%d values were not written", len(r.Failed)))
	}
	return nil
}
