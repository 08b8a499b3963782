package recipe

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"kvs/node/api"
	"kvs/node/client"
	"kvs/node/hlc"
)

// fake is a cluster in memory. It ends values by the clock, remembers idempotency keys, and does what before says:
// tests run it in a bubble of testing/synctest.
type fake struct {
	mu     sync.Mutex
	paths  map[string]*kept
	last   hlc.Timestamp
	answer map[string]error // by key: what was refused, nil for what was applied.
	made   map[string]version

	// before is asked before an operation, outside of the lock: nil, or a hook that may wait, and may say what becomes
	// of the operation. op is read, write or remove.
	before atomic.Pointer[hook]
}

// hook is what on sets.
type hook func(ctx context.Context, op, path string) fate

// on sets the hook; nil: none.
func (f *fake) on(before hook) {
	if before == nil {
		f.before.Store(nil)
		return
	}
	f.before.Store(&before)
}

type kept struct {
	content
	ends time.Time // zero: never.
}

// fate is what becomes of an operation.
type fate struct {
	err    error // the answer; nil: the true one.
	silent bool  // it happens, and err is the answer all the same.
}

func newFake() *fake {
	return &fake{paths: map[string]*kept{}, answer: map[string]error{}, made: map[string]version{}}
}

func refusal(code api.Code, outcome string) *client.Error {
	kind, err := api.Describe(code)
	if err != nil {
		panic(err)
	}
	return &client.Error{Operation: "TEST", Status: kind.Status, Code: code, Outcome: outcome,
		Retryable: kind.Retryable}
}

// lost is the answer that never came.
func lost(ctx context.Context) *client.Error {
	return &client.Error{Operation: "TEST", Code: client.Unreachable, Outcome: api.Unknown, Retryable: true,
		Err: ctx.Err()}
}

func (f *fake) fate(ctx context.Context, op, path string) fate {
	if before := f.before.Load(); before != nil {
		return (*before)(ctx, op, path)
	}
	return fate{}
}

// at is what a path holds now. The caller holds the lock.
func (f *fake) at(path string) *kept {
	k := f.paths[path]
	if k != nil && !k.ends.IsZero() && !time.Now().Before(k.ends) {
		delete(f.paths, path)
		return nil
	}
	return k
}

func (f *fake) read(ctx context.Context, path string) (content, error) {
	if fate := f.fate(ctx, "read", path); fate.err != nil {
		return content{}, fate.err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if k := f.at(path); k != nil {
		return k.content, nil
	}
	return content{}, nil
}

func (f *fake) write(ctx context.Context, path string, w write) (version, error) {
	return f.written(ctx, path, w, func(k *kept) bool {
		return k == nil && w.after == "" || k != nil && w.after == k.etag
	})
}

// overwrite writes whatever is there, which no recipe may do.
func (f *fake) overwrite(ctx context.Context, path string, w write) (version, error) {
	w.key = newKey()
	return f.written(ctx, path, w, func(*kept) bool { return true })
}

// written is a write that is applied if the condition is true of what the path holds.
func (f *fake) written(ctx context.Context, path string, w write, condition func(*kept) bool) (version, error) {
	fate := f.fate(ctx, "write", path)
	if fate.err != nil && !fate.silent {
		return version{}, fate.err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	err, known := f.answer[w.key]
	if !known {
		if !condition(f.at(path)) {
			err = refusal(api.Precondition, api.NotApplied)
		} else {
			f.last = max(f.last+1, hlc.Make(time.Now().UnixMilli(), 0))
			k := &kept{content: content{version{fmt.Sprint(f.last), f.last}, bytes.Clone(w.body)}}
			if w.ttl != 0 {
				k.ends = time.Now().Add(w.ttl)
			}
			f.paths[path], f.made[w.key] = k, k.version
		}
		f.answer[w.key] = err
	}
	if fate.err != nil {
		return version{}, fate.err
	}
	return f.made[w.key], err
}

func (f *fake) remove(ctx context.Context, path, etag, key string) error {
	fate := f.fate(ctx, "remove", path)
	if fate.err != nil && !fate.silent {
		return fate.err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	err, known := f.answer[key]
	if !known {
		if k := f.at(path); k == nil || k.etag != etag {
			err = refusal(api.Precondition, api.NotApplied)
		} else {
			delete(f.paths, path)
		}
		f.answer[key] = err
	}
	if fate.err != nil {
		return fate.err
	}
	return err
}
