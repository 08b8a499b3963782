package recipe

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/linearize"
)

// bugs are planted into what a test uses, so that it has to find them.
type bugs struct {
	noTokenCheck    bool // what the lock protects takes any token.
	noRenewalsGuard bool // renewals overwrite whatever is there.
	noCounterGuard  bool // sums overwrite whatever is there.
}

// watched is the store of one program. It notes when the lease was renewed, sends some renewals late, as a network may,
// and can be cut off, as a program that has died is.
type watched struct {
	store
	bugs
	late func() time.Duration // of the next renewal.
	dead atomic.Bool

	mu      sync.Mutex
	begun   map[string]time.Time // by key: when the first attempt was begun, which may be the one that counts.
	renewed time.Time            // when the last renewal that was acknowledged was begun.
	refused time.Time            // when the first attempt that was refused was begun; zero: none was.
	open    bool                 // the last renewal has no answer: it may have been applied, and may be later.
}

func (s *watched) write(ctx context.Context, path string, w write) (version, error) {
	if s.dead.Load() {
		<-ctx.Done()
		return version{}, lost(ctx)
	}
	if w.ttl == 0 {
		return s.store.write(ctx, path, w)
	}
	begin := time.Now()
	s.mu.Lock()
	if s.begun[w.key].IsZero() {
		s.begun[w.key] = begin
	}
	s.open = true
	s.mu.Unlock()
	got, err := s.renew(ctx, path, w)
	s.mu.Lock()
	defer s.mu.Unlock()
	if w.after == "" {
		s.refused = time.Time{} // of an acquisition that came to nothing.
	}
	s.open = err != nil && !isRefused(err)
	switch {
	case err == nil:
		s.renewed = s.begun[w.key]
	case isRefused(err) && w.after != "" && s.refused.IsZero():
		s.refused = begin
	}
	return got, err
}

// settled reports that the version that the lease knows is the last one that it has written.
func (s *watched) settled() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.open
}

// renew sends a renewal, perhaps late: then the program has no answer, and the renewal may take place all the same.
func (s *watched) renew(ctx context.Context, path string, w write) (version, error) {
	d := s.late()
	if w.after == "" || d == 0 {
		return s.guarded(ctx, path, w)
	}
	go func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), d+5*time.Second)
		defer cancel()
		wait(ctx, d)
		_, _ = s.guarded(ctx, path, w)
	}()
	<-ctx.Done()
	return version{}, lost(ctx)
}

func (s *watched) guarded(ctx context.Context, path string, w write) (version, error) {
	if s.noRenewalsGuard && w.after != "" {
		return s.store.(*fake).overwrite(ctx, path, w)
	}
	return s.store.write(ctx, path, w)
}

func lockPath(n int) string { return fmt.Sprintf("locks/%d", n) }

// protected is what a lock protects: it refuses tokens below the highest that it has seen.
type protected struct {
	mu      sync.Mutex
	highest Token
}

func (p *protected) use(token Token, check bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if check && token < p.highest {
		return false
	}
	p.highest = max(p.highest, token)
	return true
}

// lockUsers are programs that share some locks. They work, release, die, and write after their death.
type lockUsers struct {
	notes  *notes
	bugs   bugs
	stores []store // of each program.
	things []protected
	o      Options
	stale  atomic.Int64 // uses of a token after the lock was lost.
}

func newLockUsers(b bugs, storeOf func(program int) store) *lockUsers {
	u := &lockUsers{notes: newNotes(), bugs: b, things: make([]protected, 3),
		o: Options{TTL: 4 * time.Second, Poll: 100 * time.Millisecond}}
	for i := range lockClients {
		u.stores = append(u.stores, storeOf(i))
	}
	return u
}

const lockClients = 6

// work is one acquisition and what follows it.
func (u *lockUsers) work(ctx context.Context, number int) {
	n := number % len(u.things)
	path := lockPath(n)
	s := &watched{store: u.stores[number], bugs: u.bugs, begun: map[string]time.Time{}, late: func() time.Duration {
		if rand.N(6) == 0 {
			return rand.N(6 * time.Second)
		}
		return 0
	}}
	waiting, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var l *Lock
	var err error
	var begin time.Time
	for ok := true; ok; {
		begin = time.Now() // of the acquisition that succeeds.
		l, err = tryAcquire(waiting, s, path, u.o)
		ok = err != nil && pause(waiting, u.o.Poll)
	}
	if err != nil {
		return
	}
	token := int64(l.Token())
	u.notes.ok(begin, linearize.Op{Path: path, Kind: linearize.Acquire, Applied: true, Number: token})
	u.use(n, token)
	dies := rand.N(3) == 0
	s.dead.Store(dies)
	// longer than the time to live: renewals are needed.
	end := time.Now().Add(rand.N(4 * time.Second))
	for l.Context().Err() == nil && ctx.Err() == nil && time.Now().Before(end) {
		u.use(n, token)
		wait(ctx, 20*time.Millisecond)
	}
	if dies || l.Context().Err() != nil {
		u.lost(ctx, n, l, s)
		return
	}
	u.release(ctx, n, l, s)
}

func (u *lockUsers) use(n int, token int64) {
	begin := time.Now()
	let := u.things[n].use(Token(token), !u.bugs.noTokenCheck)
	u.notes.ok(begin, linearize.Op{Path: lockPath(n), Kind: linearize.Use, Amount: token, Applied: let})
}

// release ends a lease in good order.
func (u *lockUsers) release(ctx context.Context, n int, l *Lock, s *watched) {
	op := linearize.Op{Path: lockPath(n), Kind: linearize.Release, Amount: int64(l.Token())}
	begin := time.Now()
	err := l.Release(ctx)
	switch {
	case err == nil:
		op.Applied = true
		u.notes.ok(begin, op)
		return
	case isRefused(err) && !errors.Is(err, context.Canceled) && s.settled():
		u.notes.ok(begin, op)
	case isRefused(err): // the lock may have the version of a renewal without an answer, and be held on.
	default:
		u.notes.unknown(begin, op)
	}
	u.ranOut(n, l, s)
}

// lost is a lease that ends by itself, and a program that learns of it late.
func (u *lockUsers) lost(ctx context.Context, n int, l *Lock, s *watched) {
	<-l.Context().Done()
	u.ranOut(n, l, s)
	s.dead.Store(true) // it does not even try to release.
	_ = l.Release(canceled())
	for range 3 {
		wait(ctx, rand.N(3*time.Second))
		u.use(n, int64(l.Token()))
		u.stale.Add(1)
	}
}

// ranOut notes that the members may have ended a lease: not before the time to live after its last renewal. A renewal
// that was refused shows that the lock was not held.
func (u *lockUsers) ranOut(n int, l *Lock, s *watched) {
	s.mu.Lock()
	defer s.mu.Unlock()
	op := linearize.Op{Path: lockPath(n), Kind: linearize.Release, Amount: int64(l.Token())}
	u.notes.unknown(s.renewed.Add(u.o.TTL-time.Millisecond), op) // members count in milliseconds.
	if !s.refused.IsZero() {
		u.notes.ok(s.refused, op)
	}
}

func canceled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// watchTokens looks at a lock as observers of an election do: what they see never goes back.
func watchTokens(t *testing.T, u *lockUsers, calm *atomic.Bool) {
	e := &Election{u.stores[0], lockPath(0), u.o}
	last := Token(0)
	for !calm.Load() {
		if l, err := e.Leader(t.Context()); err == nil && l.Token != 0 {
			if l.Token < last {
				t.Errorf("token %d was seen after %d", l.Token, last)
			}
			last = l.Token
		}
		wait(t.Context(), 10*time.Millisecond)
	}
}

// adders are programs that count.
type adders struct {
	notes    *notes
	counters []*Counter
}

const addClients = 5

func newAdders(path string, storeOf func(program int) store) *adders {
	a := &adders{notes: newNotes()}
	for i := range addClients {
		a.counters = append(a.counters, &Counter{storeOf(i), path})
	}
	return a
}

func (a *adders) work(ctx context.Context, number int) {
	c := a.counters[number]
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	wait(ctx, rand.N(50*time.Millisecond))
	begin := time.Now()
	if rand.N(4) == 0 {
		if sum, err := c.Get(ctx); err == nil {
			a.notes.ok(begin, linearize.Op{Path: c.path, Kind: linearize.Get, Number: sum})
		}
		return
	}
	op := linearize.Op{Path: c.path, Kind: linearize.Increment, Amount: rand.N[int64](9) - 4}
	sum, err := c.Add(ctx, op.Amount)
	switch {
	case err == nil:
		op.Shown, op.Number = true, sum
		a.notes.ok(begin, op)
	case IsUnknown(err):
		a.notes.unknown(begin, op)
	}
}

// Programs share three locks, and others count, while members are cut off, killed and stand still, and programs die and
// go on to write. A lock is exclusive, tokens rise, and the fence keeps the dead out; each addition counts once: the
// models of a lock and of a counter explain everything.
func TestRecipesUnderFaults(t *testing.T) {
	c := realNodes(t)
	storeOf := func(program int) store { return cluster{clientOf(t, c, program%3)} }
	u, a := newLockUsers(bugs{}, storeOf), newAdders("count", storeOf)
	var calm atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		until(t, lockClients, func() bool {
			return calm.Load() && u.notes.count(linearize.Acquire) >= 12 && u.stale.Load() >= 3
		}, u.work)
	})
	wg.Go(func() {
		until(t, addClients, func() bool { return calm.Load() && a.notes.count(linearize.Increment) >= 100 }, a.work)
	})
	wg.Go(func() { watchTokens(t, u, &calm) })
	disturb(t, c, troubles)
	calm.Store(true)
	wg.Wait()
	require.NoError(t, c.Failures())
	res := u.notes.judge(t, linearize.Lock)
	require.Equal(t, linearize.Linearizable, res.Verdict, res.Summary())
	res = a.notes.judge(t, linearize.Counter)
	require.Equal(t, linearize.Linearizable, res.Verdict, res.Summary())
	require.Greater(t, a.notes.count(linearize.Get), 10)
}
