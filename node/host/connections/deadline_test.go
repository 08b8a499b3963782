package connections

import (
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// A deadline is set when it has to be, never comes early, and not much later than asked for.
func TestDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var set []time.Time
		d := deadline{set: func(at time.Time) error { set = append(set, at); return nil }}
		began := time.Now()
		wants := func(at time.Time, calls int) {
			t.Helper()
			require.NoError(t, d.move(at))
			require.Len(t, set, calls)
			last := set[calls-1]
			if at.IsZero() {
				require.True(t, last.IsZero())
				return
			}
			require.False(t, last.Before(at), "early")
			require.LessOrEqual(t, last.Sub(at), max(time.Until(at)/slackPart, 0)+slackMax/slackPart)
		}
		wants(began.Add(32*time.Second), 1)
		wants(began.Add(32*time.Second), 1)
		wants(began.Add(32*time.Second+500*time.Millisecond), 1)
		wants(began.Add(33*time.Second), 2) // beyond what is set.
		wants(began.Add(32*time.Second), 3) // what is set would come much later.
		wants(began.Add(2*time.Minute), 4)
		wants(began.Add(32*time.Second), 5)
		wants(time.Time{}, 6)
		wants(time.Time{}, 7)
		wants(began.Add(-time.Second), 8) // at once.
		require.Equal(t, began.Add(-time.Second), set[7])
		wants(began.Add(32*time.Second), 9)
	})
}

// The deadlines of both directions are their own.
func TestDeadlinesOfAConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		defer theirs.Close()
		c := &Conn{Conn: ours}
		c.reads.set, c.writes.set = ours.SetReadDeadline, ours.SetWriteDeadline
		defer ours.Close()
		ends := func(what func([]byte) (int, error), asked time.Time) {
			t.Helper()
			_, err := what(make([]byte, 1))
			require.ErrorIs(t, err, os.ErrDeadlineExceeded)
			require.False(t, time.Now().Before(asked), "early")
			require.LessOrEqual(t, time.Since(asked), 3*time.Second/slackPart)
		}
		first, third := time.Now().Add(time.Second), time.Now().Add(3*time.Second)
		require.NoError(t, c.SetReadDeadline(first))
		require.NoError(t, c.SetWriteDeadline(third))
		ends(c.Read, first)
		ends(c.Write, third)
		later := time.Now().Add(time.Second)
		require.NoError(t, c.SetDeadline(later))
		ends(c.Write, later)
		ends(c.Read, later)
	})
}
