package committer_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/node"
	"kvs/node/host/committer"
)

var errDisk = errors.New("broken disk")

// gatedStore is a store in two steps, each of which waits until it is let go.
type gatedStore struct {
	*slowStore
	syncing chan struct{}
	synced  chan error
}

func newGatedStore() *gatedStore {
	return &gatedStore{slowStore: newSlowStore(), syncing: make(chan struct{}), synced: make(chan error)}
}

func (s *gatedStore) Write(changes []node.Change) error {
	s.entered <- append([]node.Change{}, changes...)
	return <-s.release
}

func (s *gatedStore) Sync() error {
	s.syncing <- struct{}{}
	return <-s.synced
}

// The next group is written while the one before is synced, no further one is, and what comes meanwhile shares the one
// after.
func TestWriteBesideSync(t *testing.T) {
	s, d := newGatedStore(), newDone()
	c := start(t, s, d, nil)
	require.NoError(t, c.Submit(persist(1, put("a", "1"))))
	require.Len(t, <-s.entered, 1)
	s.release <- nil
	<-s.syncing
	require.NoError(t, c.Submit(persist(2, put("b", "2"))))
	require.Len(t, <-s.entered, 1, "written beside the sync")
	s.release <- nil
	for id := node.PersistID(3); id <= 50; id++ {
		require.NoError(t, c.Submit(persist(id, put("c", "3"))))
	}
	require.Equal(t, 48, c.Backlog().Persists, "nobody is two groups ahead")
	require.Empty(t, d.said(), "what is written is not durable")
	s.synced <- nil
	require.Equal(t, node.PersistID(1), <-d.upTo)
	<-s.syncing
	require.Len(t, <-s.entered, 48)
	s.synced <- nil
	s.release <- nil
	<-s.syncing
	s.synced <- nil
	require.NoError(t, c.Close())
	require.Equal(t, []string{"1 <nil>", "2 <nil>", "50 <nil>"}, d.said())
}

// startTwoGroups starts a committer whose first group waits in Sync, and whose second one waits in Write beside it.
func startTwoGroups(t *testing.T) (*gatedStore, *done, *committer.Committer) {
	t.Helper()
	s, d := newGatedStore(), newDone()
	c := start(t, s, d, nil)
	require.NoError(t, c.Submit(persist(1, put("a", "1"))))
	<-s.entered
	s.release <- nil
	<-s.syncing
	require.NoError(t, c.Submit(persist(2, put("b", "2"))))
	<-s.entered
	return s, d, c
}

// When a sync fails what was written meanwhile is not reported, and nothing is written any more.
func TestSyncFails(t *testing.T) {
	s, d, c := startTwoGroups(t)
	s.synced <- errDisk
	require.Equal(t, node.PersistID(1), <-d.upTo)
	s.release <- nil
	require.ErrorIs(t, c.Submit(persist(3, put("c", "3"))), errDisk)
	require.ErrorIs(t, c.Close(), errDisk)
	require.Equal(t, []string{"1 " + errDisk.Error()}, d.said())
}

// When a write fails the group before it is still synced and reported, and it is the last one.
func TestWriteFails(t *testing.T) {
	s, d, c := startTwoGroups(t)
	s.release <- errDisk
	s.synced <- nil
	require.Equal(t, node.PersistID(1), <-d.upTo)
	require.Equal(t, node.PersistID(2), <-d.upTo)
	require.ErrorIs(t, c.Close(), errDisk)
	require.Equal(t, []string{"1 <nil>", "2 " + errDisk.Error()}, d.said())
}
