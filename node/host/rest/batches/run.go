package batches

import (
	"context"
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

// run gives each path to one worker, so that its operations keep their order.
func (b *batch) run(ctx context.Context) {
	lines := b.byPath()
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

// do runs one operation. A bug in it must not end the process: it is on a goroutine of its own.
func (b *batch) do(ctx context.Context, i int) {
	op, out := &b.ops[i], &b.results[i]
	out.Op, out.Path = op.Op, op.Path
	began := time.Now()
	write := op.Op != api.BatchGet
	var err error
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("batches: a panic: %v", p)
		}
		if err != nil {
			problem := b.door.Problem(err, write)
			out.Problem, out.Status = &problem, problem.Status
		}
		b.door.Answered(out, time.Since(began))
	}()
	var r *node.Request
	if r, err = request(op, b.limits); err != nil {
		return
	}
	if err = b.door.Allowed(right(op), op.Path); err != nil {
		return
	}
	if ctx.Err() != nil {
		err = refuse(api.Timeout, "the time of the batch was up before this operation was begun")
		return
	}
	if r.Op == node.OpGet {
		err = b.read(ctx, r, out)
	} else {
		err = b.write(ctx, r, out)
	}
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

func (b *batch) write(ctx context.Context, r *node.Request, out *api.BatchResult) error {
	resp, err := b.door.Write(ctx, r)
	stamp(out, &resp.Record, resp.Level)
	if err != nil {
		return err
	}
	out.Status = http.StatusNoContent
	if resp.Code == node.CodeCreated {
		out.Status = http.StatusCreated
	}
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
