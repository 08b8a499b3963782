package live

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"kvs/chaos"
	"kvs/node/api"
	"kvs/node/slot"
)

// operator operates the voters as a person would: a node that lost its disk has a new identity, and the former identity
// is demoted; with churn, another voter is demoted at times, too. It uses only the nodes' HTTP API.
type operator struct {
	*runner
	rng  *rand.Rand
	ids  []string    // by node from 1: the identity that it showed last.
	gone []string    // identities whose disk was wiped.
	calm atomic.Bool // the faults are over: no voter is demoted without need.
}

// operate works until ctx ends.
func (o *operator) operate(ctx context.Context) {
	v := o.own.Voters
	for v.Operator > 0 && pause(ctx, v.Operator) == nil {
		o.look(ctx)
		o.act(ctx, v.Churn)
	}
}

// wiped is called when a node has lost its disk.
func (o *operator) wiped(nodes []int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, n := range nodes {
		if id := o.ids[n]; id != "" {
			o.gone = append(o.gone, id)
			o.ids[n] = ""
		}
	}
}

// look asks the nodes for their identities.
func (o *operator) look(ctx context.Context) {
	for n := 1; n < len(o.clients); n++ {
		if st, err := o.clients[n].Status(ctx); err == nil {
			o.mu.Lock()
			if !slices.Contains(o.gone, st.ID) { // the answer may be older than the loss.
				o.ids[n] = st.ID
			}
			o.mu.Unlock()
		}
	}
}

// act asks a node to demote one voter. After a refusal it tries again next time.
func (o *operator) act(ctx context.Context, churn int64) {
	c := o.clients[1+o.rng.IntN(len(o.clients)-1)]
	config, err := c.Voters(ctx)
	if err != nil {
		return
	}
	o.mu.Lock()
	gone := slices.Clone(o.gone)
	o.mu.Unlock()
	var lost, living []string
	for _, v := range config.Voters {
		if slices.Contains(gone, v.ID) {
			lost = append(lost, v.ID)
		} else {
			living = append(living, v.ID)
		}
	}
	from := lost
	if len(lost) == 0 && len(living) > 1 && !o.calm.Load() && chaos.Chance(o.rng, churn) {
		from = living
	}
	if len(from) == 0 {
		return
	}
	id, err := slot.ParseID(from[o.rng.IntN(len(from))])
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, o.own.Workload.Timeout)
	defer cancel()
	if _, err := c.Demote(ctx, id); err == nil {
		o.o.Progress(fmt.Sprintf("operator: %s is demoted", id))
	}
}

// serve requires that every node takes a write at the level of the scenario, in the time that is left to settle.
func (r *runner) serve(ctx context.Context, end time.Time) error {
	ctx, cancel := context.WithDeadline(ctx, end)
	defer cancel()
	for n := 1; n < len(r.clients); n++ {
		var last error
		for {
			_, err := r.clients[n].Put(ctx, r.probePath(n), r.own.Workload.Level, []byte("probe"), "text/plain")
			if err == nil {
				break
			}
			if ctx.Err() == nil {
				last = err // not that of an attempt which the deadline cut short.
			}
			if pause(ctx, lookEvery) != nil {
				return fmt.Errorf("n%d has not taken a write since the faults ended: %w", n, last)
			}
		}
	}
	for r.own.Voters.Operator > 0 && r.operator.lostVotes(ctx) {
		if pause(ctx, lookEvery) != nil {
			return errors.New("a member whose disk is gone still votes")
		}
	}
	return nil
}

// probePath is where serve writes by node n.
func (r *runner) probePath(n int) string { return fmt.Sprintf("%sprobe/n%d", r.o.Prefix, n) }

// lostVotes reports whether an identity votes that is gone for good, according to the last node.
func (o *operator) lostVotes(ctx context.Context) bool {
	config, err := o.clients[len(o.clients)-1].Voters(ctx)
	o.mu.Lock()
	defer o.mu.Unlock()
	return err != nil || slices.ContainsFunc(config.Voters, func(v api.Voter) bool {
		return slices.Contains(o.gone, v.ID)
	})
}
