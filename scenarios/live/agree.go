package live

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"time"

	"kvs/chaos"
	"kvs/node"
	"kvs/node/api"
	"kvs/node/client"
)

const lookEvery = 100 * time.Millisecond

var (
	errDisagree = errors.New("members disagree")
	errUnnamed  = errors.New("the cluster has members that are not named as endpoints; name them all")
)

// await waits until all members list the same and see each other alive, and returns the listing. It gives up at once
// when a node ends by itself, except nodes that had before: known.
func (r *runner) await(ctx context.Context, patience time.Duration, known error) (map[string]api.Entry, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	last := errDisagree
	for {
		shown, err := r.look(ctx)
		if err == nil {
			return shown, nil
		}
		if errors.Is(err, errUnnamed) {
			return nil, err
		}
		if r.o.Failures != nil && known == nil {
			if dead := r.o.Failures(); dead != nil {
				return nil, dead
			}
		}
		if ctx.Err() == nil {
			last = err // not that of a check which the deadline cut short.
		}
		if pause(ctx, lookEvery) != nil {
			return nil, fmt.Errorf("after %s: %w", chaos.FormatDuration(patience), last)
		}
	}
}

// answerPatience bounds how long a member that runs already may be silent. One whose port is closed is not waited for.
const answerPatience = 5 * time.Second

// answer returns an error that names the endpoints that do not answer.
func (r *runner) answer(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, answerPatience)
	defer cancel()
	silent := make([]error, len(r.clients)-1)
	var asking sync.WaitGroup
	for n, endpoint := range r.o.Target.Endpoints() {
		asking.Go(func() {
			err := r.clients[n+1].Live(ctx)
			for client.CodeOf(err) == client.Unreachable && !errors.Is(err, syscall.ECONNREFUSED) &&
				pause(ctx, lookEvery) == nil {
				err = r.clients[n+1].Live(ctx)
			}
			if client.CodeOf(err) == client.Unreachable {
				silent[n] = fmt.Errorf("%s (n%d) does not answer: %w", endpoint, n+1, err)
			}
		})
	}
	asking.Wait()
	if err := errors.Join(silent...); err != nil {
		return fmt.Errorf("%w\nstart these members, or leave them out of the target", err)
	}
	return nil
}

func (r *runner) look(ctx context.Context) (map[string]api.Entry, error) {
	var first map[string]api.Entry
	if r.o.Prefix == "" { // otherwise other clients may write meanwhile, and the digests mean nothing.
		if err := r.sameDigests(ctx); err != nil {
			return nil, err
		}
	}
	for n := 1; n < len(r.clients); n++ {
		if err := r.seesAll(ctx, n); err != nil {
			return nil, err
		}
		shown := map[string]api.Entry{}
		for e, err := range r.clients[n].Entries(
			ctx, node.ListRequest{Directory: r.o.Prefix, Recursive: true, Limit: 1000}) {
			if err != nil {
				return nil, err
			}
			if !e.Directory {
				shown[e.Path] = e
			}
		}
		if first == nil {
			first = shown
		}
		if len(shown) != len(first) {
			return nil, fmt.Errorf("%w: n1 lists %d paths, n%d %d", errDisagree, len(first), n, len(shown))
		}
		for p, e := range shown {
			if first[p].ETag != e.ETag {
				return nil, fmt.Errorf("%w: %s is %q at n1, %q at n%d", errDisagree, p, first[p].ETag, e.ETag, n)
			}
		}
	}
	return first, nil
}

// sameDigests requires that the digests of the members' disks are equal, deletions included. It is quick, and covers
// more than a listing; the listing tells where they differ, and that the digests are right.
func (r *runner) sameDigests(ctx context.Context) error {
	first := ""
	for n := 1; n < len(r.clients); n++ {
		st, err := r.clients[n].Status(ctx)
		if err != nil {
			return err
		}
		if first == "" {
			first = st.Digest
		}
		if st.Digest != first {
			return fmt.Errorf("%w: the digest of n1 is %s, that of n%d %s", errDisagree, first, n, st.Digest)
		}
	}
	return nil
}

// seesAll requires that member n sees all members alive. It may also know former members: dead, or left.
func (r *runner) seesAll(ctx context.Context, n int) error {
	members, err := r.clients[n].Members(ctx)
	if err != nil {
		return err
	}
	alive := 0
	for _, m := range members {
		if m.State == "alive" {
			alive++
		}
	}
	if r.o.Prefix != "" && alive > len(r.clients)-1 {
		return fmt.Errorf("n%d sees %d members alive, %d are named: %w", n, alive, len(r.clients)-1, errUnnamed)
	}
	if alive != len(r.clients)-1 {
		return fmt.Errorf("%w: n%d sees %d alive", errDisagree, n, alive)
	}
	return nil
}
