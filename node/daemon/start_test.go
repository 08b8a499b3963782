package daemon

import (
	"context"
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestStartTwice(t *testing.T) {
	w := newWorld(t)
	first, err := w.d.Start(context.Background(), w.inst, patient)
	require.NoError(t, err)
	require.False(t, first.Already)
	require.True(t, first.Health.Ready)
	again, err := w.d.Start(context.Background(), w.inst, patient)
	require.NoError(t, err)
	require.True(t, again.Already)
	require.Equal(t, first.Record.PID, again.Record.PID)
	require.Equal(t, 1, w.launches)
}

// A start beside another one waits for its outcome: here the other one comes up.
func TestStartBesideAnother(t *testing.T) {
	w := newWorld(t)
	w.hold()
	pauses := 0
	w.onSleep = func() {
		switch pauses++; pauses {
		case 3:
			w.procs[88] = 5
			w.write(w.entry(88, 5)) // entered, and not serving yet.
		case 6:
			rec := w.entry(88, 5)
			rec.Address = "127.0.0.1:7001"
			w.write(rec)
		}
	}
	s, err := w.d.Start(context.Background(), w.inst, patient)
	require.NoError(t, err)
	require.True(t, s.Already)
	require.Equal(t, 88, s.Record.PID)
	require.GreaterOrEqual(t, pauses, 6)
	require.Zero(t, w.launches)
}

// Here the other one fails, and its lock is taken over.
func TestStartAfterAnotherFailed(t *testing.T) {
	w := newWorld(t)
	l := w.hold()
	pauses := 0
	w.onSleep = func() {
		if pauses++; pauses == 3 {
			l.release()
		}
	}
	s, err := w.d.Start(context.Background(), w.inst, patient)
	require.NoError(t, err)
	require.False(t, s.Already)
	require.Equal(t, 1, w.launches)
}

func TestStartFailsWithItsLog(t *testing.T) {
	w := newWorld(t)
	require.NoError(t, os.WriteFile(w.d.Home.LogPath(w.inst), []byte("a line of an earlier run\n"), 0o600))
	w.onLaunch = func(c *fakeChild, log *os.File) {
		_, err := log.WriteString("listen tcp 127.0.0.1:7001: address already in use\n")
		require.NoError(t, err)
		w.write(w.entry(c.pid, 9000))
		w.end(c, "exit status 1")
	}
	_, err := w.d.Start(context.Background(), w.inst, patient)
	var failed *StartError
	require.ErrorAs(t, err, &failed)
	require.ErrorContains(t, err, "exit status 1")
	require.ErrorContains(t, err, "\n  listen tcp 127.0.0.1:7001: address already in use")
	require.NotContains(t, err.Error(), "earlier run")
	require.False(t, w.pidFileExists())
}

// Another process that answers on the node's port does not make the start succeed.
func TestStartBelievesOnlyItsChild(t *testing.T) {
	w := newWorld(t)
	w.onLaunch = func(c *fakeChild, _ *os.File) { w.write(w.entry(c.pid, 9000)) } // never serves; Live would answer.
	w.onSignal = func(_ int, sig syscall.Signal) {
		if sig == syscall.SIGKILL {
			w.end(w.child, "signal: killed")
		}
	}
	_, err := w.d.Start(context.Background(), w.inst, patient)
	require.ErrorContains(t, err, "did not answer within 10s")
	require.ErrorContains(t, err, "--timeout")
	require.Equal(t, []string{"501 terminated", "501 killed"}, w.signals)
	require.False(t, w.pidFileExists())
}

func TestStartInterrupted(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithCancel(context.Background())
	w.onLaunch = func(*fakeChild, *os.File) { cancel() }
	w.onSignal = func(int, syscall.Signal) { w.end(w.child, "signal: terminated") }
	_, err := w.d.Start(ctx, w.inst, patient)
	require.ErrorContains(t, err, "interrupted")
	require.Equal(t, []string{"501 terminated"}, w.signals)
}

func TestStartWaitsUntilReady(t *testing.T) {
	w := newWorld(t)
	w.health = Health{Mode: "syncing", Reasons: []string{"bootstrap 10 %"}}
	pauses := 0
	w.onSleep = func() {
		if pauses++; pauses == 1 {
			require.Empty(t, w.commentary(), "a moment is nothing to talk about")
		}
		if pauses == 80 {
			w.health = Health{Ready: true, Mode: "normal"}
		}
		if pauses == 90 {
			w.health.Voters = 3
		}
	}
	s, err := w.d.Start(context.Background(), w.inst, StartOptions{Timeout: 10 * time.Second, Wait: true})
	require.NoError(t, err)
	require.True(t, s.Health.Ready)
	require.Equal(t, 90, pauses, "until the cluster is founded")
	require.Equal(t, 1, strings.Count(w.commentary(), "bootstrap 10 %"), "a reason is said once")
}

// A cluster that is not founded, because others are away, is not waited for without end: the node serves.
func TestStartDoesNotWaitLongForTheFounding(t *testing.T) {
	w := newWorld(t)
	pauses := 0
	w.onSleep = func() { pauses++ }
	s, err := w.d.Start(context.Background(), w.inst, StartOptions{Timeout: 10 * time.Second, Wait: true})
	require.NoError(t, err)
	require.True(t, s.Health.Ready)
	require.EqualValues(t, foundWithin/pollEvery, pauses)
}

// A newcomer that gets on is waited for, however long it takes; one that stands still is not.
func TestStartWaitsWhileANewcomerGetsOn(t *testing.T) {
	w := newWorld(t)
	b := Bootstrap{Phase: "pulling", BytesTotal: 1000}
	w.health = Health{Mode: "syncing", Bootstrap: &b}
	w.onSleep = func() { b.BytesDone = min(b.BytesDone+1, 500) }
	heard := Bootstrap{}
	_, err := w.d.Start(context.Background(), w.inst,
		StartOptions{Timeout: 2 * time.Second, Wait: true, Progress: func(_ Instance, p Bootstrap) { heard = p }})
	require.ErrorIs(t, err, ErrNotReady)
	require.EqualValues(t, 500, heard.BytesDone)
	require.Empty(t, w.commentary())
}

// A node whose store takes long to open is waited for as long as it gets on, and told of; one that stands still is
// ended.
func TestStartWaitsWhileTheStoreIsOpened(t *testing.T) {
	w := newWorld(t)
	w.starting = &Starting{Text: "asking the other members"}
	pauses := 0
	w.onSleep = func() {
		pauses++
		w.starting = &Starting{Text: "checking the store", Done: pauses / 100, Total: 40}
		if pauses == 4000 { // 80 s.
			w.starting = nil
		}
	}
	_, err := w.d.Start(context.Background(), w.inst, patient)
	require.NoError(t, err, w.commentary())
	require.Equal(t, 4000, pauses)
	require.Contains(t, w.commentary(), "starting: checking the store")
	require.Less(t, strings.Count(w.commentary(), "\n"), 20)

	w = newWorld(t)
	w.starting = &Starting{Text: "checking the store", Total: 40}
	w.onSignal = func(int, syscall.Signal) { w.end(w.child, "signal: terminated") }
	_, err = w.d.Start(context.Background(), w.inst, patient)
	require.ErrorContains(t, err, "did not get on for 10s")
	require.Equal(t, []string{"501 terminated"}, w.signals)
}

func TestStartNotReadyInTime(t *testing.T) {
	w := newWorld(t)
	w.health = Health{Mode: "syncing", Reasons: []string{"no peer answers"}}
	s, err := w.d.Start(context.Background(), w.inst, patient)
	require.NoError(t, err, "without Wait, answering is enough")
	require.False(t, s.Health.Ready)
	_, err = w.d.Start(context.Background(), w.inst, StartOptions{Timeout: time.Second, Wait: true})
	require.ErrorIs(t, err, ErrNotReady)
	require.Empty(t, w.signals, "a node that answers is not ended for not being ready")
}

func TestStartWaitSeesTheEnd(t *testing.T) {
	w := newWorld(t)
	w.healthErr = errors.New("connection refused")
	w.onSleep = func() { w.onSleep = nil; w.end(w.child, "exit status 2") }
	_, err := w.d.Start(context.Background(), w.inst, StartOptions{Timeout: time.Second, Wait: true})
	require.ErrorContains(t, err, "exit status 2")
}
