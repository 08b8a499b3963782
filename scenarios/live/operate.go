package live

import (
	"context"
	"errors"
	"fmt"

	"kvs/linearize"
	"kvs/node"
	"kvs/node/api"
	"kvs/node/client"
	"kvs/scenarios"
)

// worker is one client: what it saw last on each path is what its compare-and-sets expect.
type worker struct {
	*runner
	process int
	known   map[string]seen
	plain   int // puts and deletes so far.
}

// seen is what an answer showed of a path. The zero value is nothing.
type seen struct {
	found       bool
	label, etag string
}

var historyKinds = [...]linearize.Kind{
	scenarios.OpGet: linearize.Get, scenarios.OpPut: linearize.Put, scenarios.OpDelete: linearize.Delete, scenarios.OpCAS: linearize.CAS,
}

// operate does one operation and records it.
func (w *worker) operate(ctx context.Context, op scenarios.Op) {
	ctx, cancel := context.WithTimeout(ctx, w.o.Scenario.Workload.Timeout)
	defer cancel()
	op.Path = w.o.Prefix + op.Path
	c, level := w.clients[op.Node], op.Level
	asked := level
	if plain := op.Kind == scenarios.OpPut || op.Kind == scenarios.OpDelete; plain && w.o.Scenario.Voters.Strong { // what is asked for makes no difference.
		w.plain++
		asked = []node.Level{node.Eventual, node.Quorum, node.Linearizable}[w.plain%3]
	}
	if op.Kind == scenarios.OpList {
		_, err := c.List(ctx, node.ListRequest{Directory: op.Path, Recursive: op.Recursive})
		w.count(err, false)
		return
	}
	entry := linearize.Op{
		Node: fmt.Sprintf("n%d", op.Node), Kind: historyKinds[op.Kind], Path: op.Path, Level: level.String(), Input: scenarios.Label(op.Value),
	}
	expect := w.known[op.Path]
	if op.Kind == scenarios.OpCAS {
		entry.Expect, entry.ExpectAbsent = expect.label, !expect.found
	}
	floor := w.begin(op)
	h := w.recorder.Invoke(w.process, entry)
	a := request(ctx, c, asked, op, expect)
	a.err = w.refused(op, &a)
	unknown := w.count(a.err, op.Kind != scenarios.OpGet)
	applied := a.err == nil && (op.Kind != scenarios.OpCAS || a.history.Applied)
	if detail := w.end(op, floor, a.timestamp, a.history.Found, applied, unknown); detail != "" {
		w.violate(scenarios.QuorumRecency, detail)
	}
	switch {
	case a.err == nil:
		w.learn(op, &a)
		w.recorder.OK(h, a.history)
	case unknown:
		w.process = w.recorder.Info(h, a.err.Error())
	default:
		w.recorder.Fail(h, a.err.Error())
	}
}

// answer is what came back of a request.
type answer struct {
	history   linearize.Answer
	timestamp string
	err       error
}

// request asks a member. That there is no value is an answer.
func request(ctx context.Context, c *client.Client, level node.Level, op scenarios.Op, expect seen) (a answer) {
	var w client.Written
	switch op.Kind {
	case scenarios.OpGet:
		v, err := c.Get(ctx, op.Path, level)
		if client.IsNotFound(err) {
			return a
		}
		return answer{linearize.Answer{Found: err == nil, Output: scenarios.Label(v.Body), Version: v.ETag}, v.Timestamp, err}
	case scenarios.OpCAS:
		condition := client.IfAbsent()
		if expect.found {
			condition = client.IfVersion(expect.etag)
		}
		w, a.err = c.PutIf(ctx, op.Path, condition, op.Value, "text/plain")
		a.history.Applied = a.err == nil
	case scenarios.OpPut:
		w, a.err = c.Put(ctx, op.Path, level, op.Value, "text/plain")
	default:
		w, a.err = c.Delete(ctx, op.Path, level)
	}
	a.history.Version, a.timestamp = w.ETag, w.Timestamp
	return a
}

// refused makes an answer of a compare-and-set whose condition was false: it shows what stood in the way, if anybody has seen
// the value with that version.
func (w *worker) refused(op scenarios.Op, a *answer) error {
	var e *client.Error
	if op.Kind != scenarios.OpCAS || !errors.As(a.err, &e) || e.Code != api.Precondition {
		return a.err
	}
	a.history.Version = e.ETag
	if e.ETag == "" {
		a.history.Shown = true
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if label, ok := w.labels[op.Path+" "+e.ETag]; ok {
		a.history.Shown, a.history.Found, a.history.Output = true, true, label
	}
	return nil
}

// learn takes note of what is on a path.
func (w *worker) learn(op scenarios.Op, a *answer) {
	s := seen{found: true, label: scenarios.Label(op.Value), etag: a.history.Version}
	switch {
	case op.Kind == scenarios.OpDelete:
		s = seen{}
	case op.Kind == scenarios.OpGet || a.history.Shown:
		s = seen{a.history.Found, a.history.Output, a.history.Version}
	case op.Kind == scenarios.OpCAS && !a.history.Applied:
		s = seen{} // something is there, but nobody knows what it says.
	}
	if !s.found {
		s = seen{}
	}
	w.known[op.Path] = s
	if s.found {
		w.mu.Lock()
		w.labels[op.Path+" "+s.etag] = s.label
		w.mu.Unlock()
	}
}

// count counts an answer and reports whether a write's outcome is unknown.
func (r *runner) count(err error, write bool) (unknown bool) {
	var e *client.Error
	unknown = err != nil && write && !(errors.As(err, &e) && e.Outcome == api.NotApplied)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.result.Operations++
	switch {
	case err == nil:
		r.result.OK++
	case unknown:
		r.result.Unknown++
	default:
		r.result.Failed++
	}
	return unknown
}
