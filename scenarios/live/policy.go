package live

import (
	"context"
	"fmt"
	"time"

	"kvs/node/api"
)

// agreeOnPolicy makes all paths of the run strong, if the scenario requires it. It tries again while the cluster is not
// founded yet.
func (r *runner) agreeOnPolicy(ctx context.Context) error {
	if !r.own.Voters.Strong {
		return nil
	}
	prefix := "/"
	if r.o.Prefix != "" {
		prefix = r.o.Prefix
	}
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		p, err := r.clients[1].Policy(ctx)
		if err == nil { // other prefixes stay.
			p, err = r.clients[1].SetPolicy(ctx,
				api.WantedPolicy{StrongPrefixes: append(p.StrongPrefixes, prefix), Epoch: p.Epoch})
		}
		if err == nil && p.Note == "" || err == nil && p.Note == "nothing to do" {
			r.o.Progress("all writes below " + prefix + " are linearizable")
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("the cluster did not agree on its policy: %v %s", p.Note, fmt.Sprint(err))
		}
	}
}
