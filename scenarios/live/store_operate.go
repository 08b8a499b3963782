package live

import (
	"context"
	"errors"
	"fmt"

	"kvs/linearize"
	"kvs/scenarios"
	"kvs/scenarios/live/driver"
)

// storeClient is one client of another store: what it saw last at each path is what its compare-and-sets expect.
type storeClient struct {
	*storeRun
	process int
	nodes   []driver.Client // by node, [0] unused; nil: not opened yet.
	known   map[string]driver.Value
}

func (r *storeRun) client(int) func(ctx context.Context, op scenarios.Op) {
	c := &storeClient{storeRun: r, process: r.recorder.NewProcess(), known: map[string]driver.Value{},
		nodes: make([]driver.Client, r.o.Scenario.Nodes+1)}
	return func(ctx context.Context, op scenarios.Op) {
		if op.Kind == scenarios.OpList { // left out: other stores list in ways of their own.
			return
		}
		c.operate(ctx, op)
	}
}

// at is the client of a node.
func (c *storeClient) at(node int) (driver.Client, error) {
	if c.nodes[node] != nil {
		return c.nodes[node], nil
	}
	opened, err := c.store.Driver.Open(c.o.Target.Endpoints()[node-1])
	if err != nil {
		return nil, err
	}
	c.nodes[node] = opened
	c.mu.Lock()
	defer c.mu.Unlock()
	c.opened = append(c.opened, opened)
	return opened, nil
}

// operate does one operation and records it.
func (c *storeClient) operate(ctx context.Context, op scenarios.Op) {
	known := c.known[op.Path]
	if op.Kind == scenarios.OpCASDelete && !known.Found {
		op.Kind = scenarios.OpDelete
	}
	entry := linearize.Op{Node: fmt.Sprintf("n%d", op.Node), Kind: historyKinds[op.Kind], Path: op.Path,
		Input: scenarios.Label(op.Value)}
	var condition *driver.Condition
	if op.Kind.Conditional() {
		condition = &known
		entry.ExpectAbsent = !known.Found
		if known.Found {
			entry.Expect = scenarios.Label(known.Bytes)
		}
	}
	c.send(op.Value)
	h := c.recorder.Invoke(c.process, entry)
	within, cancel := context.WithTimeout(ctx, c.own.Workload.Timeout)
	defer cancel()
	value, err := c.request(within, op, condition)
	refused := errors.Is(err, driver.ErrRefused)
	unknown := err != nil && !refused && op.Kind != scenarios.OpGet && !driver.Certain(err)
	switch {
	case err == nil && op.Kind == scenarios.OpGet:
		c.known[op.Path] = value
		c.seen(op.Path, value)
		c.count(nil, false)
		c.recorder.OK(h, answered(value))
	case err == nil:
		c.known[op.Path] = value
		c.count(nil, false)
		c.recorder.OK(h, linearize.Answer{Applied: op.Kind.Conditional()})
	case refused: // there is another value, and its content is not known.
		delete(c.known, op.Path)
		c.count(nil, false)
		c.recorder.OK(h, linearize.Answer{})
	case unknown:
		delete(c.known, op.Path)
		c.count(err, true)
		c.process = c.recorder.Info(h, err.Error())
	default:
		c.count(err, false)
		c.recorder.Fail(h, err.Error())
	}
}

// request asks the node. It returns the value that the path has after it, if it succeeded.
func (c *storeClient) request(ctx context.Context, op scenarios.Op, condition *driver.Condition) (driver.Value, error) {
	node, err := c.at(op.Node)
	if err != nil {
		return driver.Value{}, driver.NotDone(err)
	}
	switch op.Kind {
	case scenarios.OpGet:
		return node.Get(ctx, op.Path)
	case scenarios.OpPut, scenarios.OpCAS:
		version, err := node.Put(ctx, op.Path, op.Value, condition)
		return driver.Value{Found: true, Bytes: op.Value, Version: version}, err
	}
	return driver.Value{}, node.Delete(ctx, op.Path, condition)
}

// answered is the answer to a read.
func answered(v driver.Value) linearize.Answer {
	if !v.Found {
		return linearize.Answer{}
	}
	return linearize.Answer{Found: true, Output: scenarios.Label(v.Bytes)}
}

// send records a value before it is sent.
func (r *storeRun) send(value []byte) {
	if len(value) > 0 {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.sent[scenarios.Label(value)] = len(value)
	}
}

// seen reports a value that no client has sent as it is. The history has only the labels.
func (r *storeRun) seen(path string, v driver.Value) {
	if !v.Found {
		return
	}
	label := scenarios.Label(v.Bytes)
	r.mu.Lock()
	bytes, known := r.sent[label]
	r.mu.Unlock()
	if !known || bytes != len(v.Bytes) {
		r.violateAs(promiseKnownValues, fmt.Sprintf("%s: a read shows %d bytes of %.40q, which no client has written",
			path, len(v.Bytes), label))
	}
}
