package transport

import (
	"context"
	"errors"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const patience = time.Minute // a deadline for what ought to happen at once.

func TestLiteralAddressesAreNeverLookedUp(t *testing.T) {
	r := newResolver(func(context.Context, string) ([]netip.Addr, error) { panic("looked up") }, time.Now)
	for text, want := range map[string]string{
		"127.0.0.1:7001": "127.0.0.1:7001", "[::1]:5": "[::1]:5", "[::ffff:10.0.0.1]:5": "10.0.0.1:5"} {
		got, ok := r.Cached(text)
		require.True(t, ok)
		require.Equal(t, want, got.String())
		r.Doubt(text)
		got, err := r.Resolve(t.Context(), text)
		require.NoError(t, err)
		require.Equal(t, want, got.String())
	}
}

func TestCachedNeverWaits(t *testing.T) {
	release, calls := make(chan struct{}), atomic.Int32{}
	r := newResolver(func(context.Context, string) ([]netip.Addr, error) {
		calls.Add(1)
		<-release
		return []netip.Addr{netip.MustParseAddr("::1"), netip.MustParseAddr("10.0.0.7")}, nil
	}, time.Now)
	for range 3 {
		_, ok := r.Cached("n7:7001") // the lookup hangs.
		require.False(t, ok)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := r.Resolve(ctx, "n7:7001")
	require.ErrorIs(t, err, context.Canceled)
	close(release)
	got, err := r.Resolve(t.Context(), "n7:7001")
	require.NoError(t, err)
	require.Equal(t, "10.0.0.7:7001", got.String(), "IPv4 is preferred")
	require.EqualValues(t, 1, calls.Load(), "one lookup at a time")
	_, ok := r.Cached("n7:7001")
	require.True(t, ok)
}

func TestOldAnswersServeUntilNewOnesCome(t *testing.T) {
	var now atomic.Int64
	answers := make(chan string, 1)
	r := newResolver(func(ctx context.Context, host string) ([]netip.Addr, error) {
		a := <-answers
		if a == "" {
			return nil, errors.New("no such host")
		}
		return []netip.Addr{netip.MustParseAddr(a)}, nil
	}, func() time.Time { return time.Unix(0, now.Load()) })

	answers <- "10.0.0.1"
	got, err := r.Resolve(t.Context(), "n1:1")
	require.NoError(t, err)
	require.Equal(t, "10.0.0.1:1", got.String())

	now.Add(int64(resolvedFor))
	got, ok := r.Cached("n1:1") // starts a lookup, and answers with what is known.
	require.True(t, ok)
	require.Equal(t, "10.0.0.1:1", got.String())
	answers <- "" // the machine is down, its name is gone: its old address is the best guess.
	r.waitIdle(t, "n1:1")
	got, ok = r.Cached("n1:1")
	require.True(t, ok)
	require.Equal(t, "10.0.0.1:1", got.String())

	now.Add(int64(unresolvedFor))
	r.Cached("n1:1")
	answers <- "10.0.0.2"
	r.waitIdle(t, "n1:1")
	got, _ = r.Cached("n1:1")
	require.Equal(t, "10.0.0.2:1", got.String())

	r.Doubt("n1:1") // nobody answers there: look again before the usual time.
	now.Add(int64(unresolvedFor))
	r.Cached("n1:1")
	answers <- "10.0.0.3"
	r.waitIdle(t, "n1:1")
	got, _ = r.Cached("n1:1")
	require.Equal(t, "10.0.0.3:1", got.String())
}

// waitIdle waits until no lookup of hostport is running.
func (r *Resolver) waitIdle(t *testing.T, hostport string) {
	t.Helper()
	require.Eventually(t, func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.cache[hostport].done == nil
	}, patience, time.Millisecond)
}

func TestBadAddressesAreErrors(t *testing.T) {
	r := NewResolver()
	for _, bad := range []string{"", "nonsense", "host:", "host:0", "127.0.0.1:0", "host:99999"} {
		_, err := r.Resolve(t.Context(), bad)
		require.Error(t, err, bad)
		_, ok := r.Cached(bad)
		require.False(t, ok)
	}
	empty := newResolver(func(context.Context, string) ([]netip.Addr, error) { return nil, nil }, time.Now)
	_, err := empty.Resolve(t.Context(), "h:1")
	require.ErrorContains(t, err, "no address")
}

func TestTheCacheIsBounded(t *testing.T) {
	r := NewResolver()
	for i := range resolverEntriesMax + 10 {
		r.Cached(netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 1).String())
	}
	require.LessOrEqual(t, len(r.cache), resolverEntriesMax)
}

// A name with addresses of both families is tried at all of them, one after the other, and stays with the one that
// answers.
func TestNameWithSeveralAddresses(t *testing.T) {
	now := time.Unix(1000, 0)
	found := []netip.Addr{netip.MustParseAddr("::1"), netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.1"),
		netip.MustParseAddr("fd00::2")}
	r := newResolver(func(context.Context, string) ([]netip.Addr, error) { return found, nil }, func() time.Time {
		return now
	})
	at := func(text string) netip.AddrPort { return netip.MustParseAddrPort(text) }
	resolve := func() netip.AddrPort {
		t.Helper()
		a, err := r.Resolve(t.Context(), "n:7001")
		require.NoError(t, err)
		return a
	}
	require.Equal(t, at("10.0.0.1:7001"), resolve())
	require.Equal(t, []netip.AddrPort{at("10.0.0.1:7001"), at("[::1]:7001"), at("[fd00::2]:7001")},
		r.Candidates("n:7001"))
	r.Doubt("n:7001")
	require.Equal(t, at("[::1]:7001"), resolve())
	r.Prove("n:7001", at("10.0.0.1:7001"))
	require.Len(t, r.Candidates("n:7001"), 3, "that is not the one in use")
	r.Prove("n:7001", at("[::1]:7001"))
	require.Equal(t, []netip.AddrPort{at("[::1]:7001")}, r.Candidates("n:7001"))
	now = now.Add(time.Hour) // looked up again, and it stays with what has answered.
	require.Equal(t, at("[::1]:7001"), resolve())
	r.Doubt("n:7001")
	r.Doubt("n:7001")
	require.Equal(t, at("10.0.0.1:7001"), resolve(), "and round")
}
