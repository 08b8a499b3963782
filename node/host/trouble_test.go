package host

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node"
	"kvs/node/host/badgerstore"
	"kvs/node/host/transport"
)

// brokenStore calls before at each Apply.
type brokenStore struct {
	node.Store
	before func() error
}

func (s *brokenStore) Apply(changes []node.Change) error {
	if err := s.before(); err != nil {
		return err
	}
	return s.Store.Apply(changes)
}

// startBroken starts a node whose store calls before at each Apply.
func startBroken(t *testing.T, o Options, before func() error) *Host {
	t.Helper()
	o.wrapStore = func(s node.Store) node.Store { return &brokenStore{s, before} }
	h, err := Start(t.Context(), o)
	require.NoError(t, err)
	return h
}

// started waits until the node's first persist is durable.
func started(t *testing.T, h *Host) {
	t.Helper()
	require.Equal(t, node.CodeCreated, do(t, h, node.OpPut, "started", "x").Code)
}

func TestAFailedFsyncEndsTheNode(t *testing.T) {
	var broken atomic.Bool
	h := startBroken(t, testOptions(testConfig(t)), func() error {
		if broken.Load() {
			return errors.New("input/output error")
		}
		return nil
	})
	started(t, h)
	broken.Store(true)
	resp := do(t, h, node.OpPut, "a", "b")
	require.Equal(t, node.CodeFailed, resp.Code)
	require.Equal(t, node.OutcomeUnknown, resp.Outcome)
	require.ErrorContains(t, h.Wait(), "input/output error")
	require.ErrorContains(t, h.Wait(), "check the disk")
	require.Equal(t, node.ModeFailed, h.Mode())
	require.ErrorContains(t, h.Stop(t.Context()), "input/output error", "whoever stops it learns of it as well")
}

// hangingHost is a node that takes so many requests at once, and whose disk has begun to hang: until release.
func hangingHost(t *testing.T, requestsMax int) (h *Host, release func()) {
	t.Helper()
	released := make(chan struct{})
	var hanging atomic.Bool
	o := testOptions(testConfig(t))
	o.Config.RequestsMax = requestsMax
	h = startBroken(t, o, func() error {
		if hanging.Load() {
			<-released
		}
		return nil
	})
	started(t, h)
	hanging.Store(true)
	return h, func() { close(released) }
}

// While the disk hangs nothing is acknowledged, the loop goes on, and what clients can pile up is bounded.
func TestAHangingDisk(t *testing.T) {
	h, release := hangingHost(t, 3)

	acknowledged := make(chan node.Response, 1)
	go func() {
		resp, err := h.Do(context.Background(),
			&node.Request{Op: node.OpPut, Level: node.Eventual, Path: "a", Value: []byte("v")})
		if err == nil {
			acknowledged <- resp
		}
	}()
	require.Eventually(t, func() bool { return h.admission.inFlight() == 1 }, patience, time.Millisecond)
	for range 2 {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
		_, err := h.Do(ctx, &node.Request{Op: node.OpPut, Level: node.Eventual, Path: "b"})
		cancel()
		require.ErrorIs(t, err, context.DeadlineExceeded)
	}
	resp, err := h.Do(t.Context(), &node.Request{Op: node.OpPut, Level: node.Eventual, Path: "c"})
	require.NoError(t, err)
	require.Equal(t, node.CodeOverloaded, resp.Code, "the places of those who gave up are still taken")
	require.Equal(t, node.OutcomeNotApplied, resp.Outcome)
	require.Positive(t, resp.RetryAfter)

	s, err := h.Status(t.Context())
	require.NoError(t, err)
	require.Equal(t, node.ModeNormal, s.Mode)
	r, err := h.View().Get("a")
	require.NoError(t, err)
	require.False(t, r.Exists(), "what is not durable is not shown")
	require.Empty(t, acknowledged)

	release()
	require.Equal(t, node.CodeCreated, (<-acknowledged).Code)
	require.Eventually(t, func() bool { return h.admission.inFlight() == 0 }, patience, time.Millisecond)
	stopHost(t, h)
}

// A store that refuses to write because the disk is full takes the write later: its client may have gone by then.
func TestARefusingStoreIsTriedAgain(t *testing.T) {
	var refusals atomic.Int32
	h := startBroken(t, testOptions(testConfig(t)), func() error {
		if refusals.Load() > 0 && refusals.Add(-1) >= 0 {
			return badgerstore.ErrDiskFull
		}
		return nil
	})
	started(t, h)
	refusals.Store(1)
	require.Equal(t, node.CodeCreated, do(t, h, node.OpPut, "a", "b").Code)
	stopHost(t, h)
}

func TestANearlyFullDiskMakesTheNodeReadOnly(t *testing.T) {
	o := testOptions(testConfig(t))
	var free atomic.Uint64
	free.Store(1 << 40)
	h := startHost(t, o)
	gauge, err := badgerstore.NewGauge(badgerstore.Watermarks{FullBelow: 100, FreeFrom: 200})
	require.NoError(t, err)
	reserve, err := badgerstore.NewGauge(badgerstore.Watermarks{FullBelow: 75, FreeFrom: 100})
	require.NoError(t, err)
	var blind error
	var owed uint64
	journal := false // has room for deletions.
	w := &diskWatch{
		free:  func(string) (uint64, error) { return free.Load(), blind },
		gauge: gauge, reserve: reserve, logger: slog.New(slog.DiscardHandler), interval: time.Millisecond,
		tell:    h.loop.post,
		ballast: func() error { return nil }, owed: func() uint64 { return owed },
		deletes: func() bool { return journal },
	}
	mode := func(left uint64) node.Mode {
		free.Store(left)
		w.look(t.Context())
		s, err := h.Status(t.Context())
		require.NoError(t, err)
		return s.Mode
	}
	require.Equal(t, node.ModeNormal, mode(100))
	require.Equal(t, node.ModeReadOnly, mode(99))
	require.Equal(t, node.CodeDiskFull, do(t, h, node.OpPut, "a", "b").Code)
	require.Equal(t, node.CodeOK, do(t, h, node.OpDelete, "a", "").Code, "there is a reserve for deletions")
	require.Equal(t, node.ModeReadOnly, mode(74))
	require.Equal(t, node.CodeDiskFull, do(t, h, node.OpDelete, "a", "").Code, "which ends, too")
	journal = true
	require.Equal(t, node.ModeReadOnly, mode(0))
	require.Equal(t, node.CodeOK, do(t, h, node.OpDelete, "a", "").Code, "they wait in the journal")
	require.Equal(t, node.CodeDiskFull, do(t, h, node.OpPut, "a", "b").Code)
	journal = false
	require.Equal(t, node.ModeReadOnly, mode(74))
	require.Equal(t, node.CodeDiskFull, do(t, h, node.OpDelete, "a", "").Code)
	require.Equal(t, node.ModeReadOnly, mode(100))
	require.Equal(t, node.CodeOK, do(t, h, node.OpDelete, "a", "").Code)
	require.Equal(t, node.ModeReadOnly, mode(199), "it does not change its mind at once")
	blind = errors.New("no such file system")
	require.Equal(t, node.ModeReadOnly, mode(1000))
	blind = nil
	require.Equal(t, node.ModeNormal, mode(200))
	owed = 150 // the space kept for a full disk has just been given up.
	require.Equal(t, node.ModeReadOnly, mode(200), "what was given up looks free, and is not")
	require.Equal(t, node.ModeReadOnly, mode(349))
	require.Equal(t, node.ModeNormal, mode(350))
	owed = 0

	free.Store(0) // the goroutine looks by itself.
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); w.run(ctx) }()
	require.Eventually(t, func() bool { return h.Mode() == node.ModeReadOnly }, patience, time.Millisecond)
	cancel()
	<-ended
}

// A write for which the store has no room, also before anybody has looked at the disk, is refused at once and for
// certain. It hung until its time was up, and ended as unknown.
func TestAFullDiskRefusesWritesForCertain(t *testing.T) {
	o := testOptions(testConfig(t))
	o.Config.Disk.CheckInterval = time.Minute
	h := startHost(t, o)
	require.Equal(t, node.CodeCreated, do(t, h, node.OpPut, "a", "b").Code)
	var free atomic.Uint64
	h.free = func(string) (uint64, error) { return free.Load(), nil }
	free.Store(h.writeRoom + diskSlack + 1)
	resp := do(t, h, node.OpPut, "a", "value")
	require.Equal(t, node.CodeDiskFull, resp.Code)
	require.Equal(t, node.OutcomeNotApplied, resp.Outcome)
	require.Contains(t, resp.Detail, "make room")
	status, body := request(t, http.MethodPut, "http://"+h.Addr()+"/kv/a", "value")
	require.Equal(t, http.StatusInsufficientStorage, status)
	require.Contains(t, body, `"outcome":"not_applied"`)
	require.Equal(t, node.CodeOK, do(t, h, node.OpGet, "a", "").Code)
	free.Store(h.writeRoom + diskSlack + 100)
	require.Equal(t, node.CodeOK, do(t, h, node.OpPut, "a", "value").Code)
}

// endlessStore cannot be closed, as Badger cannot when its folder is gone.
type endlessStore struct {
	node.Store
	closing, closed chan struct{}
}

func (s *endlessStore) Close() error {
	defer close(s.closed)
	<-s.closing
	return s.Store.Close()
}

// A store that does not close keeps neither the node nor its process: it was tried for ever.
func TestAStoreThatDoesNotClose(t *testing.T) {
	o := testOptions(testConfig(t))
	o.Config.ShutdownTimeout = 200 * time.Millisecond
	closing, closed := make(chan struct{}), make(chan struct{})
	o.wrapStore = func(s node.Store) node.Store { return &endlessStore{s, closing, closed} }
	h, err := Start(t.Context(), o)
	require.NoError(t, err)
	started(t, h)
	h.begin(nil) // as a leave does.
	require.ErrorContains(t, h.Wait(), "the store was not closed within 200ms")
	close(closing)
	<-closed
}

func TestReadOnlyByConfigurationAndByOperator(t *testing.T) {
	o := testOptions(testConfig(t))
	o.Config.ReadOnly = true
	h := startHost(t, o)
	require.Equal(t, node.ModeReadOnly, h.Mode())
	status, _ := request(t, http.MethodPut, "http://"+h.Addr()+"/kv/a", "b")
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.NoError(t, h.SetReadOnly(t.Context(), "operator", true))
	s, err := h.Status(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"config", "operator"}, s.ModeReasons)
}

func TestBadBatchesAreRefused(t *testing.T) {
	h := startHost(t, testOptions(testConfig(t)))
	require.ErrorIs(t, h.Frames(nil, ""), transport.ErrBadBatch)
	require.ErrorIs(t, h.Frames([]byte{9, 1}, ""), transport.ErrBadBatch)
	require.NoError(t, h.Frames([]byte{1, 3, 0, 0, 0, 'b', 'a', 'd'}, ""),
		"the batch is whole, its frame is the core's affair")
	require.Eventually(t, func() bool {
		s, err := h.Status(t.Context())
		return err == nil && s.Counters.FramesBad == 1
	}, patience, time.Millisecond)
	require.Empty(t, h.places, "every place has been given back")
	status, body := request(t, http.MethodPost, "http://"+h.Addr()+transport.Path, "\x09nonsense")
	require.Equal(t, http.StatusBadRequest, status)
	require.Contains(t, body, "format 9")
}

func TestAdmissionIsBoundedInRequestsAndBytes(t *testing.T) {
	a := newAdmission(2)
	large := &call{request: &node.Request{Value: make([]byte, callBytesMax)}}
	small := &call{request: &node.Request{Path: "p"}}
	require.NoError(t, a.enter(large), "one is always let in")
	require.ErrorContains(t, a.enter(small), "bytes are in flight")
	a.leave(large)
	require.NoError(t, a.enter(small))
	require.NoError(t, a.enter(small))
	require.ErrorContains(t, a.enter(small), "requests_max")
	a.close()
	require.ErrorIs(t, a.enter(small), ErrStopped)
	a.leave(small)
	select {
	case <-a.empty:
		t.Fatal("one is still in flight")
	default:
	}
	a.leave(small)
	<-a.empty
}

// A disk that fails while the node stops: nothing is acknowledged, and whoever stops the node learns of it.
func TestADiskThatFailsDuringStop(t *testing.T) {
	release := make(chan struct{})
	var hanging atomic.Bool
	o := testOptions(testConfig(t))
	o.Config.ShutdownTimeout = 2 * time.Second
	h := startBroken(t, o, func() error {
		if !hanging.Load() {
			return nil
		}
		<-release
		return errors.New("input/output error")
	})
	started(t, h)
	hanging.Store(true)
	answer := make(chan node.Response, 1)
	go func() {
		resp, err := h.Do(context.Background(), &node.Request{Op: node.OpPut, Level: node.Eventual, Path: "a"})
		if err == nil {
			answer <- resp
		}
	}()
	require.Eventually(t, func() bool { return h.admission.inFlight() == 1 }, patience, time.Millisecond)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, h.Stop(ctx), context.DeadlineExceeded, "a hanging disk is waited for, for a while")
	close(release)
	require.ErrorContains(t, h.Wait(), "input/output error")
	resp := <-answer
	require.Equal(t, node.CodeFailed, resp.Code)
	require.Equal(t, node.OutcomeUnknown, resp.Outcome)
}

// A request that waits in a node that stood still until its time was up is not begun any more.
func TestARequestInANodeThatStoodStill(t *testing.T) {
	h := startHost(t, testOptions(testConfig(t)))
	release := make(chan struct{})
	require.NoError(t, h.loop.post(t.Context(), event{ask: func(*node.Node) { <-release }}))
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
	defer cancel()
	_, err := h.Do(ctx, &node.Request{Op: node.OpPut, Level: node.Eventual, Path: "late", Value: []byte("v")})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	close(release)
	require.Equal(t, node.CodeCreated, do(t, h, node.OpPut, "in time", "v").Code)
	r, err := h.View().Get("late")
	require.NoError(t, err)
	require.False(t, r.Exists())
	// the loop answers first, and then frees the place.
	require.Eventually(t, func() bool { return h.admission.inFlight() == 0 }, patience, time.Millisecond)
}

// The status answers also when the loop does not.
func TestTheStatusOfALoopThatHangs(t *testing.T) {
	h := startHost(t, testOptions(testConfig(t)))
	d := &door{h: h, started: time.Now()}
	s := d.Snapshot()
	require.True(t, s.Ready)
	require.Empty(t, s.Reasons)

	release := make(chan struct{})
	require.NoError(t, h.loop.post(t.Context(), event{ask: func(*node.Node) { <-release }}))
	s = d.Snapshot()
	require.False(t, s.Ready)
	require.Equal(t, h.cfg.Name, s.Name, "the last one that is known")
	require.Contains(t, s.Reasons[0], "has not answered")
	close(release)
	require.True(t, d.Snapshot().Ready)
}
