package recipe

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node/api"
	"kvs/node/client"
)

func options(holder string) Options {
	return Options{TTL: 10 * time.Second, Holder: holder, Poll: 100 * time.Millisecond}
}

func bubble(t *testing.T, test func(t *testing.T, s *fake)) {
	synctest.Test(t, func(t *testing.T) { test(t, newFake()) })
}

func TestLockIsHeldForAsLongAsItIsRenewed(t *testing.T) {
	bubble(t, func(t *testing.T, s *fake) {
		a, err := tryAcquire(t.Context(), s, "x", options("a"))
		require.NoError(t, err)
		wait(t.Context(), time.Hour) // of the bubble: some thousand renewals.
		require.NoError(t, a.Context().Err())
		_, err = tryAcquire(t.Context(), s, "x", options("b"))
		var held *HeldError
		require.ErrorAs(t, err, &held)
		require.Equal(t, &HeldError{Path: "x", Holder: "a", Token: a.Token()}, held)

		require.NoError(t, a.Release(t.Context()))
		require.ErrorIs(t, context.Cause(a.Context()), ErrReleased)
		require.ErrorIs(t, a.Release(t.Context()), ErrReleased)
		b, err := tryAcquire(t.Context(), s, "x", options("b"))
		require.NoError(t, err)
		require.Greater(t, b.Token(), a.Token())
		require.NoError(t, b.Release(t.Context()))
	})
}

// Waiting programs get the lock one after the other, each under a higher token.
func TestAcquireWaits(t *testing.T) {
	bubble(t, func(t *testing.T, s *fake) {
		var mu sync.Mutex
		var tokens []Token
		inside := 0
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				l, err := acquire(t.Context(), s, "x", options(""))
				if !errors.Is(err, nil) {
					t.Error(err)
					return
				}
				mu.Lock()
				inside++
				if inside != 1 {
					t.Error("two are inside")
				}
				tokens = append(tokens, l.Token())
				mu.Unlock()
				wait(t.Context(), 30*time.Second)
				mu.Lock()
				inside--
				mu.Unlock()
				if err := l.Release(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		require.Len(t, tokens, 8)
		require.IsIncreasing(t, tokens)

		l, err := acquire(t.Context(), s, "x", options("a"))
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = acquire(ctx, s, "x", options("b"))
		var held *HeldError
		require.ErrorAs(t, err, &held)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NoError(t, l.Release(t.Context()))
	})
}

// A holder that cannot renew stops a fifth of the time to live before the members may end its lease, and no later.
func TestHolderStopsBeforeItsLeaseEnds(t *testing.T) {
	bubble(t, func(t *testing.T, s *fake) {
		l, err := tryAcquire(t.Context(), s, "x", options("a"))
		require.NoError(t, err)
		cut := time.Now()
		s.on(func(ctx context.Context, _, _ string) fate {
			<-ctx.Done()
			return fate{err: lost(ctx)}
		})
		<-l.Context().Done()
		require.Equal(t, 8*time.Second, time.Since(cut))
		require.ErrorIs(t, context.Cause(l.Context()), ErrLost)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, l.Release(ctx), ErrLost)
	})
}

// Answers are lost and members refuse for a while: the lease lasts, because each write is sent again under its key.
func TestRenewalsOutliveLostAnswers(t *testing.T) {
	bubble(t, func(t *testing.T, s *fake) {
		l, err := tryAcquire(t.Context(), s, "x", options("a"))
		require.NoError(t, err)
		var n atomic.Int64
		s.on(func(ctx context.Context, _, _ string) fate {
			switch n.Add(1) % 4 {
			case 1:
				return fate{err: lost(ctx), silent: true}
			case 2:
				return fate{err: refusal(api.NoQuorum, api.NotApplied)}
			case 3:
				return fate{err: lost(ctx)}
			}
			return fate{}
		})
		wait(t.Context(), 10*time.Minute)
		require.NoError(t, l.Context().Err())
		require.Greater(t, n.Load(), int64(4*100))
		require.NoError(t, l.Release(t.Context()))
		require.Nil(t, s.at("x"))
	})
}

// What somebody else writes over the lock, or deletes, ends the lease, and its holder's renewal does not undo it.
func TestLockThatIsTakenAwayIsLost(t *testing.T) {
	bubble(t, func(t *testing.T, s *fake) {
		l, err := tryAcquire(t.Context(), s, "x", options("a"))
		require.NoError(t, err)
		delete(s.paths, "x")
		b, err := tryAcquire(t.Context(), s, "x", options("b"))
		require.NoError(t, err)
		<-l.Context().Done()
		require.ErrorIs(t, context.Cause(l.Context()), ErrLost)
		require.True(t, isRefused(context.Cause(l.Context())))
		require.ErrorIs(t, l.Release(t.Context()), ErrLost)
		wait(t.Context(), time.Minute)
		require.NoError(t, b.Context().Err())
		require.NoError(t, b.Release(t.Context()))
	})
}

// A program that stands still between the steps of an acquisition ends up without the lock, and its token is not above
// that of the holder that came meanwhile.
func TestStandingStillDuringAnAcquisition(t *testing.T) {
	for _, at := range []int{2, 3, 4} { // before the token is read, before it is written, before it is published.
		bubble(t, func(t *testing.T, s *fake) {
			n, still := 0, make(chan struct{})
			s.on(func(context.Context, string, string) fate {
				if n++; n == at {
					<-still // whatever the context says: the machine is suspended.
				}
				return fate{}
			})
			slow := make(chan error)
			go func() {
				_, err := tryAcquire(t.Context(), s, "x", options("slow"))
				slow <- err
			}()
			synctest.Wait()
			require.Equal(t, at, n)
			s.on(nil)
			b, err := acquire(t.Context(), s, "x", options("b"))
			require.NoError(t, err)
			close(still)
			require.ErrorIs(t, <-slow, ErrLost, "step %d", at)
			require.NoError(t, b.Release(t.Context()))
			c, err := tryAcquire(t.Context(), s, "x", options("c"))
			require.NoError(t, err)
			require.Greater(t, c.Token(), b.Token())
			require.NoError(t, c.Release(t.Context()))
		})
	}
}

func TestTokensRiseWhateverBecomesOfTheirPath(t *testing.T) {
	bubble(t, func(t *testing.T, s *fake) {
		last := Token(0)
		next := func() error {
			l, err := tryAcquire(t.Context(), s, "x", options(""))
			if err != nil {
				return err
			}
			require.Greater(t, l.Token(), last)
			last = l.Token()
			return l.Release(t.Context())
		}
		set := func(text string) {
			_, err := s.write(t.Context(), "x/token", write{after: s.paths["x/token"].etag, key: newKey(),
				body: []byte(text)})
			require.NoError(t, err)
		}
		require.NoError(t, next())
		delete(s.paths, "x/token") // the timestamp helps.
		require.NoError(t, next())
		set("1") // an older copy.
		require.NoError(t, next())
		set((last + 1<<40).String()) // the clocks went back: the counter helps.
		require.NoError(t, next())
		require.Greater(t, last, Token(1<<40))
		set("soon")
		require.ErrorContains(t, next(), "delete it")
		require.Nil(t, s.at("x"), "what was begun is undone")
		set(Token(math.MaxInt64).String())
		require.ErrorContains(t, next(), "no token above")
	})
}

func TestRefusalsOfTheClusterEndARecipe(t *testing.T) {
	bubble(t, func(t *testing.T, s *fake) {
		s.on(func(context.Context, string, string) fate {
			return fate{err: refusal(api.NotAllowed, api.NotApplied)}
		})
		_, err := acquire(t.Context(), s, "x", options(""))
		require.Equal(t, api.NotAllowed, client.CodeOf(err))
		_, err = (&Counter{s, "n"}).Add(t.Context(), 1)
		require.Equal(t, api.NotAllowed, client.CodeOf(err))
		for _, err := range (&Election{s, "x", options("")}).Observe(t.Context()) {
			require.Equal(t, api.NotAllowed, client.CodeOf(err))
		}
	})
}

func TestOptionsAreChecked(t *testing.T) {
	for _, o := range []Options{
		{}, {TTL: time.Millisecond, Poll: time.Second}, {TTL: time.Second}, {TTL: time.Second + 1, Poll: time.Second},
		{TTL: time.Second, Poll: time.Second, Holder: string(make([]byte, HolderBytesMax+1))},
	} {
		require.Error(t, o.check(), "%+v", o)
		_, err := NewElection(nil, "x", o)
		require.Error(t, err)
		_, err = Hold(t.Context(), nil, "x", o, nil, "")
		require.Error(t, err)
	}
	o := DefaultOptions()
	require.NoError(t, o.check())
}

func TestTokensAreRead(t *testing.T) {
	for _, text := range []string{"", "0", "-1", "1.5", "x", fmt.Sprint(uint64(math.MaxUint64))} {
		_, err := ParseToken(text)
		require.Error(t, err, text)
	}
	token, err := ParseToken(Token(math.MaxInt64).String())
	require.NoError(t, err)
	require.EqualValues(t, math.MaxInt64, token)
}

// The record of a lock, as every version of it was written.
func TestGoldenRecord(t *testing.T) {
	golden, err := os.ReadFile(filepath.Join("testdata", "record.1.json"))
	require.NoError(t, err)
	r := record{Format: recordFormat, Holder: "worker 7 on n3", Token: 1<<62 + 1}
	require.Equal(t, string(golden), string(r.encode())+"\n")
	got, err := decode(golden)
	require.NoError(t, err)
	require.Equal(t, r, got)
}

func FuzzRecord(f *testing.F) {
	f.Add([]byte(`{"format":1,"holder":"a","token":"7"}`))
	f.Add([]byte(`{"format":2}`))
	f.Add([]byte(`[1]`))
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := decode(body)
		if err != nil {
			return
		}
		again, err := decode(r.encode())
		require.NoError(t, err)
		require.Equal(t, r, again)
	})
}
