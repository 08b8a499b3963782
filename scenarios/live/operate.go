package live

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"kvs/chaos"
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
	number  int
	rng     *rand.Rand // draws which writes are tried again, and where.
	known   map[string]seen
	plain   int // puts and deletes so far.
	keys    int // idempotency keys so far.
}

// attemptsMax is how often a write under an idempotency key is tried.
const attemptsMax = 4

// ttlMin is the shortest time to live that the REST API takes; it replaces shorter ones of a scenario.
const ttlMin = time.Second

// seen is what an answer showed of a path. The zero value is nothing.
type seen struct {
	found       bool
	label, etag string
}

var historyKinds = [...]linearize.Kind{
	scenarios.OpGet: linearize.Get, scenarios.OpPut: linearize.Put, scenarios.OpDelete: linearize.Delete,
	scenarios.OpCAS: linearize.CAS, scenarios.OpCASDelete: linearize.CASDelete,
}

// operate does one operation and records it.
func (w *worker) operate(ctx context.Context, op scenarios.Op) {
	op.Path = w.o.Prefix + op.Path
	level := op.Level
	if op.TTL > 0 {
		op.TTL = max(op.TTL, ttlMin)
		if w.own.Workload.Mixed && level == node.Linearizable {
			op.TTL = 0 // the history cannot express when such a value may end.
		}
	}
	asked := level
	if plain := op.Kind == scenarios.OpPut || op.Kind == scenarios.OpDelete; plain && w.own.Voters.Strong {
		// the requested level does not matter.
		w.plain++
		asked = []node.Level{node.Eventual, node.Quorum, node.Linearizable}[w.plain%3]
	}
	if op.Kind == scenarios.OpList {
		ctx, cancel := context.WithTimeout(ctx, w.own.Workload.Timeout)
		defer cancel()
		page, err := w.clients[op.Node].List(ctx, node.ListRequest{Directory: op.Path, Recursive: op.Recursive})
		w.count(err, false)
		w.check(func(v *values) string { return v.listed(op.Path, op.Recursive, page.Entries) })
		return
	}
	expect := w.known[op.Path]
	if op.Kind == scenarios.OpCASDelete && !expect.found {
		op.Kind = scenarios.OpDelete
	}
	entry := linearize.Op{
		Node: fmt.Sprintf("n%d", op.Node), Kind: historyKinds[op.Kind], Path: op.Path, Level: level.String(),
		Input: scenarios.Label(op.Value),
	}
	if op.Kind.Conditional() {
		entry.Expect, entry.ExpectAbsent = expect.label, !expect.found
	}
	floor := w.begin(op)
	writes := op.Kind == scenarios.OpPut || op.Kind == scenarios.OpCAS
	if writes {
		w.check(func(v *values) string { v.send(op.Path, op.Value); return "" })
	}
	h := w.recorder.Invoke(w.process, entry)
	a, unknown := w.try(ctx, op, asked, expect)
	w.count(a.err, unknown)
	applied := a.err == nil && (!op.Kind.Conditional() || a.history.Applied)
	if detail := w.end(op, floor, a.timestamp, a.history.Found, applied, unknown); detail != "" {
		w.violate(scenarios.QuorumRecency, detail)
	}
	if writes && !applied && !unknown {
		w.check(func(v *values) string { v.refuse(op.Path, op.Value); return "" })
	}
	if a.err == nil && op.Kind == scenarios.OpGet && a.history.Found {
		agreed := !w.own.Workload.Mixed || level == node.Linearizable ||
			!strings.HasPrefix(op.Path, w.o.Prefix+scenarios.MixedDir)
		w.check(func(v *values) string { return v.read(op.Path, a.history.Version, a.value, agreed) })
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

// try asks a member, and under an idempotency key others, as long as the outcome is unknown.
func (w *worker) try(ctx context.Context, op scenarios.Op, asked node.Level, expect seen) (a answer, unknown bool) {
	key := w.key(op, expect)
	for attempt := 1; ; attempt++ {
		within, cancel := context.WithTimeout(ctx, w.own.Workload.Timeout)
		a = request(within, w.clients[op.Node], asked, op, expect, key)
		cancel()
		a.err = w.refused(op, &a, key != "")
		open := outcomeUnknown(a.err, op.Kind != scenarios.OpGet)
		unknown = open || attempt > 1 && a.err != nil // an earlier attempt may have done it.
		if key == "" || !open || attempt == attemptsMax || ctx.Err() != nil || w.operator.calm.Load() {
			return a, unknown
		}
		op.Node = 1 + w.rng.IntN(len(w.clients)-1)
		w.keyed.tried(w.number, time.Now().Add(w.own.Workload.Timeout))
	}
}

// key is the idempotency key of a write; empty: it has none, and is tried once.
func (w *worker) key(op scenarios.Op, expect seen) string {
	write := op.Kind == scenarios.OpPut || op.Kind.Conditional()
	if !write || op.Level != node.Linearizable || !chaos.Chance(w.rng, w.own.Workload.Retry) {
		return ""
	}
	now := time.Now()
	named := op.Kind.Conditional() && expect.found // its answer says when the key may have been dropped.
	if !w.keyed.begin(op.Path, w.number, now, now.Add(w.own.Workload.Timeout), named) {
		return ""
	}
	w.keys++
	return fmt.Sprintf("c%d.%d", w.number, w.keys)
}

// check runs a check on the known values, and reports a violation.
func (r *runner) check(ask func(v *values) (wrong string)) {
	r.mu.Lock()
	wrong := ask(&r.values)
	r.mu.Unlock()
	if wrong != "" {
		r.violateAs(promiseKnownValues, wrong)
	}
}

// answer is the answer to a request.
type answer struct {
	history   linearize.Answer
	value     []byte // of a get.
	timestamp string
	err       error
}

// request asks a member. The absence of a value is an answer.
func request(ctx context.Context, c *client.Client, level node.Level, op scenarios.Op, expect seen, key string) (
	a answer) {
	var w client.Written
	var condition client.Condition
	switch op.Kind {
	case scenarios.OpGet:
		v, err := c.Get(ctx, op.Path, level)
		if client.IsNotFound(err) {
			return a
		}
		return answer{linearize.Answer{Found: err == nil, Output: scenarios.Label(v.Body), Version: v.ETag}, v.Body,
			v.Timestamp, err}
	case scenarios.OpCAS:
		condition = client.IfAbsent()
		if expect.found {
			condition = client.IfVersion(expect.etag)
		}
		fallthrough
	case scenarios.OpPut:
		if key != "" {
			condition = condition.WithKey(key)
		}
		w, a.err = c.PutFor(ctx, op.Path, level, condition, op.TTL, op.Value, "text/plain")
		a.history.Applied = op.Kind == scenarios.OpCAS && a.err == nil
	case scenarios.OpCASDelete:
		condition := client.IfVersion(expect.etag)
		if key != "" {
			condition = condition.WithKey(key)
		}
		w, a.err = c.DeleteIf(ctx, op.Path, condition)
		a.history.Applied = a.err == nil
	default:
		w, a.err = c.Delete(ctx, op.Path, level)
	}
	a.history.Version, a.timestamp = w.ETag, w.Timestamp
	return a
}

// refused makes the answer of a compare-and-set whose condition was false: it shows the present value, if a client has
// seen the value of that version. Under a key an absent value may mean that an earlier attempt was refused: the value
// at that time is not in the answer.
func (w *worker) refused(op scenarios.Op, a *answer, keyed bool) error {
	var e *client.Error
	if !op.Kind.Conditional() || !errors.As(a.err, &e) || e.Code != api.Precondition {
		return a.err
	}
	a.history.Version = e.ETag
	if e.ETag == "" {
		a.history.Shown = !keyed
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if label, ok := w.values.labels[op.Path+" "+e.ETag]; ok {
		a.history.Shown, a.history.Found, a.history.Output = true, true, label
	}
	return nil
}

// learn records the value of a path.
func (w *worker) learn(op scenarios.Op, a *answer) {
	s := seen{found: true, label: scenarios.Label(op.Value), etag: a.history.Version}
	switch {
	case op.Kind == scenarios.OpDelete, op.Kind == scenarios.OpCASDelete && a.history.Applied:
		s = seen{}
	case op.Kind == scenarios.OpGet || a.history.Shown:
		s = seen{a.history.Found, a.history.Output, a.history.Version}
	case op.Kind.Conditional() && !a.history.Applied:
		s = seen{} // there is a value, but its content is not known.
	}
	if !s.found {
		s = seen{}
	}
	w.known[op.Path] = s
	if s.found && op.Kind != scenarios.OpGet {
		w.check(func(v *values) string { return v.has(op.Path, s.etag, s.label) })
	}
}

// outcomeUnknown reports whether a write may have been done or not.
func outcomeUnknown(err error, write bool) bool {
	var e *client.Error
	return err != nil && write && !(errors.As(err, &e) && e.Outcome == api.NotApplied)
}

// count counts an answer.
func (r *run) count(err error, unknown bool) {
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
}
