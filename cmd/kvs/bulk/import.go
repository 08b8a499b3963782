package bulk

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"kvs/node"
	"kvs/node/api"
	"kvs/node/client"
	"kvs/node/client/archive"
	"kvs/node/slot"
)

const (
	importBatchesMax = 8       // that are written at the same time: a node makes them durable together.
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

// loader writes the values of an archive. One goroutine reads and collects them, and several write.
type loader struct {
	env     *Env
	c       *client.Client
	level   node.Level
	x       importing
	ops     []api.BatchOperation // the next batch.
	bytes   int                  // of their values.
	batches chan batch

	mu     sync.Mutex // of what follows.
	report imported
	bar    *progress
	failed error // the first one.
}

// batch is what is written at once.
type batch struct {
	ops   []api.BatchOperation
	bytes int // of their values.
}

// load writes all values. With an error the report says how far it came.
func (e *Env) load(ctx context.Context, c *client.Client, level node.Level, r *archive.Reader, total int64,
	x importing) (*imported, error) {
	l := &loader{env: e, c: c, level: level, x: x, report: imported{Failed: []api.BatchResult{}},
		batches: make(chan batch)}
	l.bar = e.newProgress("import", total)
	defer l.bar.end()
	ctx, end := context.WithCancel(ctx)
	defer end()
	var writers sync.WaitGroup
	for range importBatchesMax {
		writers.Go(func() {
			for b := range l.batches {
				if err := l.write(ctx, b); err != nil {
					l.fail(err)
					end()
				}
			}
		})
	}
	err := l.read(ctx, r)
	if err != nil && ctx.Err() == nil {
		l.fail(err)
		end()
	}
	close(l.batches)
	writers.Wait()
	slices.SortFunc(l.report.Failed, func(a, b api.BatchResult) int { return strings.Compare(a.Path, b.Path) })
	return &l.report, cmp.Or(l.failed, err)
}

// fail notes why the import ends. What fails after it fails because the others were ended.
func (l *loader) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failed = cmp.Or(l.failed, err)
}

// read hands all values to the writers. No path comes twice, so the order of batches does not matter.
func (l *loader) read(ctx context.Context, r *archive.Reader) error {
	for {
		entry, err := r.Next()
		if errors.Is(err, io.EOF) {
			return l.flush(ctx)
		}
		if err == nil {
			err = l.add(ctx, entry)
		}
		if err != nil {
			return err
		}
	}
}

func (l *loader) add(ctx context.Context, entry *api.Entry) error {
	op := api.BatchOperation{Op: api.BatchPut, Path: l.x.prefix + entry.Path, Text: entry.Text, Base64: entry.Base64,
		ContentType: entry.ContentType}
	if l.level != node.DefaultLevel {
		op.Consistency = l.level.String()
	}
	if l.x.ifAbsent {
		op.IfNoneMatch = []string{"*"}
	}
	size := api.ValueBytes(entry.Text, entry.Base64)
	expired := false
	if entry.Expires != "" {
		at, err := time.Parse(time.RFC3339, entry.Expires)
		if err != nil {
			return fmt.Errorf("%q has an end that cannot be read: %w", entry.Path, err)
		}
		left := time.Until(at)
		expired = left < slot.TTLMin
		op.TTL = min(left, slot.TTLMax).Round(time.Second).String()
	}
	l.tell(func(report *imported) {
		report.Read++
		if expired {
			report.Expired++
			l.bar.add(size)
		}
	})
	if expired {
		return nil
	}
	if len(l.ops) == api.BatchOperationsMax || len(l.ops) > 0 && l.bytes+size > importBytesMax {
		if err := l.flush(ctx); err != nil {
			return err
		}
	}
	l.ops, l.bytes = append(l.ops, op), l.bytes+size
	return nil
}

// tell changes the report.
func (l *loader) tell(change func(*imported)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change(&l.report)
}

// flush hands what was collected to a writer, and waits until one is free.
func (l *loader) flush(ctx context.Context) error {
	if len(l.ops) == 0 {
		return nil
	}
	select {
	case l.batches <- batch{l.ops, l.bytes}:
		l.ops, l.bytes = nil, 0
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// write writes a batch. What was refused only for now is tried again.
func (l *loader) write(ctx context.Context, b batch) error {
	for try, left := 1, b.ops; len(left) > 0; try++ {
		results, err := l.send(ctx, batch{left, b.bytes})
		if err != nil {
			return err
		}
		failed := 0
		l.tell(func(report *imported) {
			left = report.note(results, left, l.x.ifAbsent, try < importTriesMax)
			failed = len(report.Failed)
		})
		if failed >= importFailureMax {
			return fmt.Errorf("%d values could not be written: the import stops", failed)
		}
		if len(left) > 0 {
			select {
			case <-time.After(importPause):
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	l.tell(func(*imported) { l.bar.add(b.bytes) })
	return nil
}

// note counts results, and returns the operations that are tried once more.
func (r *imported) note(results []api.BatchResult, ops []api.BatchOperation, ifAbsent, more bool,
) (again []api.BatchOperation) {
	for i := range results {
		switch p := results[i].Problem; {
		case p == nil:
			r.Written++
		case p.Code == api.Precondition && ifAbsent:
			r.Present++
		case p.Retryable && p.Outcome == api.NotApplied && more:
			again = append(again, ops[i])
		default:
			r.Failed = append(r.Failed, results[i])
		}
	}
	return again
}

// send writes a batch, or a value that is too large for one.
func (l *loader) send(ctx context.Context, b batch) ([]api.BatchResult, error) {
	if len(b.ops) > 1 || b.bytes <= importBytesMax {
		return l.c.Batch(ctx, b.ops)
	}
	op := &b.ops[0]
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
