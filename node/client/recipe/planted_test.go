package recipe

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/linearize"
)

// Here the programs of TestRecipesUnderFaults work with the cluster in memory, in virtual time: a minute of theirs is
// a moment.

// slow makes the cluster in memory one behind a network: answers take a while, and one in twenty does not come.
func slow(ctx context.Context, _, _ string) fate {
	if !wait(ctx, rand.N(20*time.Millisecond)) {
		return fate{err: lost(ctx)}
	}
	if rand.N(20) == 0 {
		<-ctx.Done()
		return fate{err: lost(ctx), silent: rand.N(2) == 0}
	}
	return fate{}
}

// lockVerdict lets programs share locks in a bubble, and judges them.
func lockVerdict(t *testing.T, b bugs) (verdict *linearize.Result) {
	bubble(t, func(t *testing.T, s *fake) {
		s.on(slow)
		u := newLockUsers(b, func(int) store { return s })
		enough := func() bool { return u.notes.count(linearize.Acquire) >= 14 && u.stale.Load() >= 3 }
		until(t, lockClients, enough, u.work)
		wait(t.Context(), 20*time.Second) // for renewals that are late.
		verdict = u.notes.judge(t, linearize.Lock)
	})
	return verdict
}

func TestLocksInMemory(t *testing.T) {
	for range 10 {
		res := lockVerdict(t, bugs{})
		require.Equal(t, linearize.Linearizable, res.Verdict, res.Summary())
	}
}

// The alarm rings: the same programs find locks with bugs.
func TestPlantedLockBugs(t *testing.T) {
	for name, b := range map[string]bugs{
		"no token check":   {noTokenCheck: true},
		"no renewal guard": {noRenewalsGuard: true},
	} {
		t.Run(name, func(t *testing.T) {
			for range 40 { // chance decides which renewals are late.
				if res := lockVerdict(t, b); res.Verdict == linearize.Violation {
					t.Log(res.Summary())
					return
				}
			}
			t.Fatal("the bug was not found")
		})
	}
}

// counterVerdict lets programs count together in a bubble, and judges them.
func counterVerdict(t *testing.T, b bugs) (verdict *linearize.Result) {
	bubble(t, func(t *testing.T, s *fake) {
		s.on(slow)
		a := newAdders("count", func(int) store {
			if b.noCounterGuard {
				return unguarded{s}
			}
			return s
		})
		until(t, addClients, func() bool { return a.notes.count(linearize.Increment) >= 200 }, a.work)
		verdict = a.notes.judge(t, linearize.Counter)
	})
	return verdict
}

// unguarded writes whatever is there.
type unguarded struct{ *fake }

func (s unguarded) write(ctx context.Context, path string, w write) (version, error) {
	return s.overwrite(ctx, path, w)
}

func TestPlantedCounterBug(t *testing.T) {
	res := counterVerdict(t, bugs{})
	require.Equal(t, linearize.Linearizable, res.Verdict, res.Summary())
	require.Equal(t, linearize.Violation, counterVerdict(t, bugs{noCounterGuard: true}).Verdict)
}
