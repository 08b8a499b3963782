package batches

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"kvs/node"
	"kvs/node/api"
)

// workersMax is how many operations of one request run at the same time.
const workersMax = 16

// Run does all operations and returns their results in the same order. ctx is the time of all of them together: what
// has not been begun when it ends is not done.
func Run(ctx context.Context, door Door, l Limits, ops []api.BatchOperation) api.BatchResults {
	b := &batch{door: door, limits: l, ops: ops, results: make([]api.BatchResult, len(ops))}
	b.room.Store(api.BatchBytesMax)
	b.run(ctx)
	out := api.BatchResults{Results: b.results}
	for i := range b.results {
		if b.results[i].Problem != nil {
			out.Failed++
		}
	}
	return out
}

// batch is one request.
type batch struct {
	door    Door
	limits  Limits
	ops     []api.BatchOperation
	results []api.BatchResult
	room    atomic.Int64 // bytes of values that the answer may still hold.
}

// run gives each path to one worker, so that its operations keep their order. The writes that are alone on their paths
// go together.
func (b *batch) run(ctx context.Context) {
	var lines [][]int
	var alone []int
	for _, line := range b.byPath() {
		if len(line) == 1 && b.ops[line[0]].Op != api.BatchGet {
			alone = append(alone, line[0])
		} else {
			lines = append(lines, line)
		}
	}
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(workersMax, len(lines)) {
		workers.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(lines); i = int(next.Add(1)) - 1 {
				for _, at := range lines[i] {
					b.do(ctx, at)
				}
			}
		})
	}
	b.writeAll(ctx, alone)
	workers.Wait()
}

// byPath is which operations are about the same path, in the order of the batch.
func (b *batch) byPath() [][]int {
	var lines [][]int
	at := map[string]int{}
	for i := range b.ops {
		path := b.ops[i].Path
		n, known := at[path]
		if !known {
			n = len(lines)
			at[path], lines = n, append(lines, nil)
		}
		lines[n] = append(lines[n], i)
	}
	return lines
}

// do runs one operation.
func (b *batch) do(ctx context.Context, i int) {
	if b.ops[i].Op != api.BatchGet {
		b.writeAll(ctx, []int{i})
		return
	}
	began := time.Now()
	b.ended(i, began, b.guarded(func() error {
		r, err := b.prepare(ctx, i)
		if err != nil {
			return err
		}
		return b.read(ctx, r, &b.results[i])
	}))
}

// writeAll runs writes of different paths.
func (b *batch) writeAll(ctx context.Context, all []int) {
	began := time.Now()
	rs := make([]*node.Request, 0, len(all))
	under := make([]int, 0, len(all)) // which operation each of them is.
	for _, i := range all {
		var r *node.Request
		if err := b.guarded(func() (err error) { r, err = b.prepare(ctx, i); return err }); err != nil {
			b.ended(i, began, err)
			continue
		}
		rs, under = append(rs, r), append(under, i)
	}
	if len(rs) == 0 {
		return
	}
	answered := make([]bool, len(rs))
	err := b.guarded(func() error {
		b.door.Write(ctx, rs, func(k int, resp node.Response, err error) {
			answered[k] = true
			out := &b.results[under[k]]
			stamp(out, &resp.Record, resp.Level)
			if err == nil {
				out.Status = http.StatusNoContent
				if resp.Code == node.CodeCreated {
					out.Status = http.StatusCreated
				}
			}
			b.ended(under[k], began, err)
		})
		return nil
	})
	for k, i := range under {
		if !answered[k] {
			b.ended(i, began, cmp.Or(err, errUnanswered))
		}
	}
}

// errUnanswered is a mistake of a Door.
var errUnanswered = errors.New("batches: a write without an answer")

// prepare makes the request of an operation that may run.
func (b *batch) prepare(ctx context.Context, i int) (*node.Request, error) {
	op := &b.ops[i]
	b.results[i].Op, b.results[i].Path = op.Op, op.Path
	r, err := request(op, b.limits)
	if err != nil {
		return nil, err
	}
	if err := b.door.Allowed(right(op), op.Path); err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, refuse(api.Timeout, "the time of the batch was up before this operation was begun")
	}
	return r, nil
}

// guarded makes a panic an error: a bug in an operation must not end the process, and some run on goroutines of their
// own.
func (b *batch) guarded(do func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("batches: a panic: %v", p)
		}
	}()
	return do()
}

// ended completes a result.
func (b *batch) ended(i int, began time.Time, err error) {
	out := &b.results[i]
	if err != nil {
		problem := b.door.Problem(err, out.Op != api.BatchGet)
		out.Problem, out.Status = &problem, problem.Status
	}
	b.door.Answered(out, time.Since(began))
}

func (b *batch) read(ctx context.Context, r *node.Request, out *api.BatchResult) error {
	rec, level, err := b.door.Read(ctx, r.Path, r.Level)
	if err != nil {
		return err
	}
	stamp(out, &rec, level)
	if !rec.Live() {
		return refuse(api.NotFound, "there is no value at %q", r.Path)
	}
	if b.room.Add(-int64(len(rec.Value))) < 0 {
		b.room.Add(int64(len(rec.Value)))
		return refuse(api.ValueTooLarge, "the values that one batch answers with have %d bytes at most: read it in "+
			"another batch, or alone", api.BatchBytesMax)
	}
	out.Status, out.ContentType = http.StatusOK, rec.ContentType
	if out.ContentType == "" {
		out.ContentType = api.ContentTypeBinary
	}
	out.Text, out.Base64 = api.SplitValue(rec.Value)
	return nil
}

// stamp puts the version and the level of an answer into a result. A deletion has no ETag, as in other answers.
func stamp(out *api.BatchResult, rec *node.Record, level node.Level) {
	if level != node.DefaultLevel {
		out.Consistency = level.String()
	}
	if !rec.Exists() {
		return
	}
	out.Timestamp = rec.TS.String()
	if rec.Live() {
		out.ETag = rec.Version().ETag()
	}
	if rec.Expires != 0 {
		out.Expires = time.UnixMilli(rec.Expires).UTC().Format(time.RFC3339)
	}
}
