package recipe

import (
	"context"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node/api"
)

func TestElection(t *testing.T) {
	bubble(t, func(t *testing.T, s *fake) {
		e := func(holder string) *Election { return &Election{s, "x", options(holder)} }
		none, err := e("").Leader(t.Context())
		require.NoError(t, err)
		require.Zero(t, none)

		ctx, cancel := context.WithCancel(t.Context())
		var seen []Leader
		var end error
		observed := make(chan struct{})
		go func() {
			defer close(observed)
			for l, err := range e("").Observe(ctx) {
				if err != nil {
					end = err
					return
				}
				seen = append(seen, l)
			}
		}()
		var want []Leader
		for _, name := range []string{"a", "b"} {
			synctest.Wait()
			want = append(want, Leader{})
			l, err := e(name).Campaign(t.Context())
			require.NoError(t, err)
			want = append(want, Leader{name, l.Token()})
			now, err := e("").Leader(t.Context())
			require.NoError(t, err)
			require.Equal(t, Leader{name, l.Token()}, now)
			wait(t.Context(), time.Minute)
			require.NoError(t, l.Release(t.Context()))
			wait(t.Context(), time.Second)
		}
		cancel()
		<-observed
		require.ErrorIs(t, end, context.Canceled)
		require.Equal(t, append(want, Leader{}), seen)

		_, err = s.write(t.Context(), "x", write{key: newKey(), body: []byte("hello")})
		require.NoError(t, err)
		_, err = e("").Leader(t.Context())
		require.ErrorContains(t, err, "no election")
		_, err = tryAcquire(t.Context(), s, "x", options(""))
		var held *HeldError
		require.ErrorAs(t, err, &held, "what is no lock is never overwritten")
	})
}

func TestCounter(t *testing.T) {
	bubble(t, func(t *testing.T, s *fake) {
		c := &Counter{s, "n"}
		sum, err := c.Get(t.Context())
		require.NoError(t, err)
		require.Zero(t, sum)
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				for range 20 {
					if _, err := c.Add(t.Context(), 3); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		sum, err = c.Add(t.Context(), -200)
		require.NoError(t, err)
		require.EqualValues(t, 1000, sum)

		_, err = c.Add(t.Context(), math.MaxInt64)
		require.ErrorIs(t, err, ErrOverflow)
		require.False(t, IsUnknown(err))
		_, err = c.Add(t.Context(), math.MinInt64)
		require.NoError(t, err)
		_, err = c.Add(t.Context(), math.MinInt64)
		require.ErrorIs(t, err, ErrOverflow)

		s.on(func(ctx context.Context, op, _ string) fate {
			if op == "write" {
				return fate{err: lost(ctx)}
			}
			return fate{}
		})
		begin := time.Now()
		_, err = c.Add(t.Context(), 1)
		require.True(t, IsUnknown(err))
		require.Less(t, time.Since(begin), 2*settlePatience)

		// an attempt that certainly did nothing does not undo one that may have done something.
		n := 0
		s.on(func(ctx context.Context, op, _ string) fate {
			switch {
			case op == "read":
				return fate{}
			case n == 0:
				n++
				return fate{err: lost(ctx), silent: true}
			}
			return fate{err: refusal(api.NoQuorum, api.NotApplied)}
		})
		_, err = c.Add(t.Context(), 1)
		require.True(t, IsUnknown(err))

		s.on(nil)
		_, err = s.write(t.Context(), "words", write{key: newKey(), body: []byte("many")})
		require.NoError(t, err)
		_, err = (&Counter{s, "words"}).Get(t.Context())
		require.ErrorContains(t, err, "no whole number")
	})
}
