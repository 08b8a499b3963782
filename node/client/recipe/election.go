package recipe

import (
	"context"
	"fmt"
	"iter"

	"kvs/node/client"
)

// Election chooses one leader among the programs that campaign at a path. It is a Lock whose holders say who they are,
// so that others can follow who leads.
type Election struct {
	store store
	path  string
	o     Options
}

// Leader is the holder of an election. The zero Leader is none.
type Leader struct {
	Holder string // Options.Holder of the one that leads: its address, for instance.
	Token  Token  // rises with each leader.
}

// NewElection returns the election at path. Options.Holder is what others learn if this program leads.
func NewElection(c *client.Client, path string, o Options) (*Election, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	return &Election{cluster{c}, path, o}, nil
}

// Campaign waits until this program leads. The leader resigns with Release, and must stop when the context of the lock
// ends. After that it may campaign again.
func (e *Election) Campaign(ctx context.Context) (*Lock, error) {
	return acquire(ctx, e.store, e.path, e.o)
}

// Leader is the present leader; the zero Leader if there is none.
func (e *Election) Leader(ctx context.Context) (Leader, error) {
	at, err := e.store.read(ctx, e.path)
	if err != nil {
		return Leader{}, wrong("leader of", e.path, err)
	}
	if at.etag == "" {
		return Leader{}, nil
	}
	r, err := decode(at.body)
	if err != nil {
		return Leader{}, wrong("leader of", e.path, fmt.Errorf("what is there is no election: %w", err))
	}
	if r.Token == 0 {
		return Leader{}, nil // it is about to lead.
	}
	return Leader{r.Holder, r.Token}, nil
}

// Observe yields the leader, and then each change that it sees, until ctx ends: that error is the last. It looks every
// Options.Poll, so it may miss a leader that resigns at once. Between two leaders it may yield none, the zero Leader.
// Tokens never go back. While the cluster does not answer it yields nothing.
func (e *Election) Observe(ctx context.Context) iter.Seq2[Leader, error] {
	return func(yield func(Leader, error) bool) {
		seen, first := Leader{}, true
		for {
			now, err := e.Leader(ctx)
			switch {
			case err != nil && ctx.Err() == nil && !isPassing(err):
				yield(Leader{}, err)
				return
			case err == nil && (first || now != seen):
				seen, first = now, false
				if !yield(now, nil) {
					return
				}
			}
			if !wait(ctx, e.o.Poll) {
				yield(Leader{}, context.Cause(ctx))
				return
			}
		}
	}
}
