package committer_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node"
	"kvs/node/host/committer"
	"kvs/sim/memstore"
)

// slowStore is a store whose every Apply waits until it is let go.
type slowStore struct {
	node.Store
	entered chan []node.Change
	release chan error
}

func newSlowStore() *slowStore {
	return &slowStore{Store: memstore.New(), entered: make(chan []node.Change), release: make(chan error)}
}

func (s *slowStore) Apply(changes []node.Change) error {
	s.entered <- append([]node.Change{}, changes...)
	if err := <-s.release; err != nil {
		return err
	}
	return s.Store.Apply(changes)
}

// done collects what the committer says.
type done struct {
	mu    sync.Mutex
	calls []string
	upTo  chan node.PersistID
}

func newDone() *done { return &done{upTo: make(chan node.PersistID, 1000)} }

func (d *done) call(upTo node.PersistID, err error) {
	d.mu.Lock()
	d.calls = append(d.calls, fmt.Sprint(upTo, " ", err))
	d.mu.Unlock()
	d.upTo <- upTo
}

func (d *done) said() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]string{}, d.calls...)
}

func start(t *testing.T, store node.Store, d *done, change func(*committer.Options)) *committer.Committer {
	t.Helper()
	o := committer.DefaultOptions(store, d.call)
	if change != nil {
		change(&o)
	}
	c, err := committer.New(o)
	require.NoError(t, err)
	return c
}

func persist(id node.PersistID, changes ...node.Change) node.Persist {
	return node.Persist{ID: id, Changes: changes}
}
func put(key, value string) node.Change { return node.Change{Key: key, Value: []byte(value)} }

func TestOnePersist(t *testing.T) {
	store, d := memstore.New(), newDone()
	c := start(t, store, d, nil)
	require.NoError(t, c.Submit(persist(1, put("k", "v"))))
	require.Equal(t, node.PersistID(1), <-d.upTo)
	value, found, err := store.Get("k")
	require.NoError(t, err)
	require.True(t, found, "durable before Done hears of it")
	require.Equal(t, "v", string(value))
	require.NoError(t, c.Close())
	require.Equal(t, []string{"1 <nil>"}, d.said())
}

// What arrives while an Apply runs shares exactly one further Apply.
func TestGroupCommit(t *testing.T) {
	store, d := newSlowStore(), newDone()
	c := start(t, store, d, nil)
	require.NoError(t, c.Submit(persist(1, put("k", "1"))))
	require.Len(t, <-store.entered, 1, "nothing lingers: the first goes at once")
	for id := node.PersistID(2); id <= 101; id++ {
		require.NoError(t, c.Submit(persist(id, put("k", fmt.Sprint(id)), put(fmt.Sprint(id), "x"))))
	}
	require.Equal(t, committer.Backlog{Persists: 100, Changes: 200, Bytes: c.Backlog().Bytes}, c.Backlog())
	require.Empty(t, d.said(), "nothing is durable yet")
	store.release <- nil
	changes := <-store.entered
	require.Len(t, changes, 200)
	require.Equal(t, put("k", "2"), changes[0], "in the order of the persists")
	require.Equal(t, put("101", "x"), changes[199])
	require.Equal(t, committer.Backlog{}, c.Backlog())
	store.release <- nil
	require.NoError(t, c.Close())
	require.Equal(t, []string{"1 <nil>", "101 <nil>"}, d.said())
	value, _, err := store.Get("k")
	require.NoError(t, err)
	require.Equal(t, "101", string(value))
}

// What is submitted together shares an fsync, also when the committer has nothing else to do.
func TestSubmittedTogether(t *testing.T) {
	store, d := newSlowStore(), newDone()
	c := start(t, store, d, func(o *committer.Options) { o.QueueChangesMax = 3 })
	require.NoError(t, c.SubmitAll([]node.Persist{persist(1, put("a", "1")), persist(2, put("b", "2"))}))
	require.Len(t, <-store.entered, 2)

	// Of more than there is room for, what has room is taken, and the rest when it has.
	submitted := make(chan error, 1)
	go func() {
		submitted <- c.SubmitAll([]node.Persist{
			persist(3, put("c", "3")), persist(4, put("d", "4")), persist(5, put("e", "5")), persist(6, put("f", "6")),
		})
	}()
	require.Eventually(t, func() bool { return c.Backlog().Persists == 3 }, time.Minute, time.Millisecond)
	store.release <- nil
	require.Len(t, <-store.entered, 3)
	require.NoError(t, <-submitted)
	store.release <- nil
	require.Len(t, <-store.entered, 1)
	store.release <- nil
	require.NoError(t, c.Close())
	require.Equal(t, []string{"2 <nil>", "5 <nil>", "6 <nil>"}, d.said())
	require.ErrorIs(t, c.SubmitAll([]node.Persist{persist(7), persist(8)}), committer.ErrClosed)
	require.NoError(t, c.SubmitAll(nil))
}

func TestGroupLimits(t *testing.T) {
	big := string(make([]byte, 600))
	for _, test := range []struct {
		name   string
		queued []node.Persist
		want   []int // operations in each Apply after the first.
	}{
		{"operations", []node.Persist{
			persist(2, put("a", ""), put("b", "")), persist(3, put("c", ""), put("d", "")), persist(4, put("e", "")),
			persist(5, put("f", "")),
		}, []int{4, 2}},
		{"a persist is never split", []node.Persist{
			persist(2, put("a", ""), put("b", ""), put("c", "")), persist(3, put("d", ""), put("e", "")),
			persist(4, put("f", ""), put("g", ""), put("h", ""), put("i", ""), put("j", ""), put("k", "")),
			persist(5, put("l", "")),
		}, []int{3, 2, 6, 1}},
		{"bytes", []node.Persist{persist(2, put("a", big)), persist(3, put("b", "x")), persist(4, put("c", big)),
			persist(5, put("d", "x"))}, []int{2, 2}},
		{"a large one goes alone", []node.Persist{
			persist(2, put("a", "x")), persist(3, put("b", big+big)), persist(4, put("c", "x"))}, []int{1, 1, 1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			store, d := newSlowStore(), newDone()
			c := start(t, store, d, func(o *committer.Options) { o.GroupChangesMax, o.GroupBytesMax = 4, 1000 })
			require.NoError(t, c.Submit(persist(1, put("k", "1"))))
			<-store.entered
			for _, p := range test.queued {
				require.NoError(t, c.Submit(p))
			}
			for _, n := range test.want {
				store.release <- nil
				require.Len(t, <-store.entered, n)
			}
			store.release <- nil
			require.NoError(t, c.Close())
			require.Len(t, d.said(), 1+len(test.want))
		})
	}
}

func TestFailure(t *testing.T) {
	store, d := newSlowStore(), newDone()
	c := start(t, store, d, nil)
	require.NoError(t, c.Submit(persist(1, put("k", "1"))))
	<-store.entered
	require.NoError(t, c.Submit(persist(2, put("k", "2"))))
	store.release <- nil
	<-store.entered
	require.NoError(t, c.Submit(persist(3, put("k", "3"))))
	broken := errors.New("broken disk")
	store.release <- broken
	require.ErrorIs(t, c.Close(), broken)
	require.Equal(t, []string{"1 <nil>", "2 broken disk"}, d.said(), "told once; the third is never written")
	require.ErrorIs(t, c.Submit(persist(4, put("k", "4"))), broken)
	require.ErrorIs(t, c.Close(), broken)
	value, _, err := store.Get("k")
	require.NoError(t, err)
	require.Equal(t, "1", string(value))
}

func TestCloseDrains(t *testing.T) {
	store, d := newSlowStore(), newDone()
	c := start(t, store, d, func(o *committer.Options) { o.GroupChangesMax = 2 })
	for id := node.PersistID(1); id <= 4; id++ {
		require.NoError(t, c.Submit(persist(id, put(fmt.Sprint(id), "v"), put("last", fmt.Sprint(id)))))
	}
	closed := make(chan error)
	<-store.entered
	go func() { closed <- c.Close() }()
	for range 3 {
		store.release <- nil
		<-store.entered
	}
	select {
	case <-closed:
		t.Fatal("closed before the last persist was durable")
	default:
	}
	store.release <- nil
	require.NoError(t, <-closed)
	require.Equal(t, []string{"1 <nil>", "2 <nil>", "3 <nil>", "4 <nil>"}, d.said())
	require.ErrorIs(t, c.Submit(persist(5)), committer.ErrClosed)
	require.NoError(t, c.Close())
}

func TestFullQueueWaits(t *testing.T) {
	for name, limit := range map[string]func(*committer.Options){
		"operations": func(o *committer.Options) { o.QueueChangesMax = 2 },
		"bytes":      func(o *committer.Options) { o.QueueBytesMax = 8 },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store, d := newSlowStore(), newDone()
				c := start(t, store, d, limit)
				require.NoError(t, c.Submit(persist(1, put("k", "1"))))
				<-store.entered
				require.NoError(t, c.Submit(persist(2, put("k", "22"))))
				require.NoError(t, c.Submit(persist(3, put("k", "333"))))
				submitted := false
				go func() {
					require.NoError(t, c.Submit(persist(4, put("k", "4444"))))
					submitted = true
				}()
				synctest.Wait()
				require.False(t, submitted, "the queue is full")
				store.release <- nil
				<-store.entered
				synctest.Wait()
				require.True(t, submitted)
				store.release <- nil
				<-store.entered
				store.release <- nil
				require.NoError(t, c.Close())
				require.Equal(t, []string{"1 <nil>", "3 <nil>", "4 <nil>"}, d.said())
			})
		})
	}
}

// A failure and Close both end the wait for room.
func TestWaitForRoomEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, result := range []error{errors.New("broken disk"), nil} {
			store, d := newSlowStore(), newDone()
			c := start(t, store, d, func(o *committer.Options) { o.QueueChangesMax = 1 })
			require.NoError(t, c.Submit(persist(1, put("k", "1"))))
			<-store.entered
			require.NoError(t, c.Submit(persist(2, put("k", "2"))))
			submitted := make(chan error, 1)
			go func() { submitted <- c.Submit(persist(3, put("k", "3"))) }()
			synctest.Wait()
			if result != nil {
				store.release <- result
				require.ErrorIs(t, <-submitted, result)
				require.ErrorIs(t, c.Close(), result)
				continue
			}
			closed := make(chan error, 1)
			go func() { closed <- c.Close() }()
			require.ErrorIs(t, <-submitted, committer.ErrClosed)
			store.release <- nil
			<-store.entered
			store.release <- nil
			require.NoError(t, <-closed)
		}
	})
}

var errFull = errors.New("disk full")

func isFull(err error) bool { return errors.Is(err, errFull) }

// A refused batch is tried again, unchanged and before anything else, until the store takes it.
func TestRefusedIsRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, d := newSlowStore(), newDone()
		c := start(t, store, d, func(o *committer.Options) { o.Refused, o.RetryDelay = isFull, time.Minute })
		began := time.Now()
		require.NoError(t, c.Submit(persist(1, put("k", "1"))))
		for range 3 {
			require.Equal(t, []node.Change{put("k", "1")}, <-store.entered)
			store.release <- errFull
		}
		synctest.Wait()
		require.Equal(t, errFull, c.Backlog().Refused)
		require.NoError(t, c.Submit(persist(2, put("k", "2"))))
		require.Equal(t, []node.Change{put("k", "1")}, <-store.entered)
		store.release <- nil
		require.Equal(t, []node.Change{put("k", "2")}, <-store.entered)
		require.NoError(t, c.Backlog().Refused)
		store.release <- nil
		require.NoError(t, c.Close())
		require.Equal(t, []string{"1 <nil>", "2 <nil>"}, d.said())
		require.Equal(t, 3*time.Minute, time.Since(began))
	})
}

// Close does not wait for somebody to make room: one more try, and then what could not be written is reported.
func TestCloseWhileRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, d := newSlowStore(), newDone()
		c := start(t, store, d, func(o *committer.Options) { o.Refused, o.RetryDelay = isFull, time.Hour })
		began := time.Now()
		require.NoError(t, c.Submit(persist(1, put("k", "1"))))
		<-store.entered
		store.release <- errFull
		synctest.Wait()
		closed := make(chan error, 1)
		go func() { closed <- c.Close() }()
		<-store.entered
		store.release <- errFull
		err := <-closed
		require.ErrorIs(t, err, errFull)
		require.ErrorIs(t, err, committer.ErrClosed)
		require.Len(t, d.said(), 1)
		require.Zero(t, time.Since(began))
	})
}

func TestOrderIsChecked(t *testing.T) {
	c := start(t, memstore.New(), newDone(), nil)
	defer c.Close()
	require.NoError(t, c.Submit(persist(5, put("k", "1"))))
	require.Panics(t, func() { _ = c.Submit(persist(5, put("k", "2"))) })
	require.Panics(t, func() { _ = c.Submit(persist(0, put("k", "2"))) })
}

func TestOptions(t *testing.T) {
	for name, spoil := range map[string]func(*committer.Options){
		"store":         func(o *committer.Options) { o.Store = nil },
		"callback":      func(o *committer.Options) { o.Done = nil },
		"group changes": func(o *committer.Options) { o.GroupChangesMax = 0 },
		"group bytes":   func(o *committer.Options) { o.GroupBytesMax = 0 },
		"queue changes": func(o *committer.Options) { o.QueueChangesMax = 0 },
		"queue bytes":   func(o *committer.Options) { o.QueueBytesMax = 0 },
		"retry":         func(o *committer.Options) { o.Refused, o.RetryDelay = isFull, 0 },
	} {
		o := committer.DefaultOptions(memstore.New(), newDone().call)
		spoil(&o)
		_, err := committer.New(o)
		require.ErrorContains(t, err, "committer options: ", name)
	}
}
