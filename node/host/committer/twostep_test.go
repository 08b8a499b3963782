package committer_test

import (
	"errors"
	"testing"
	"testing/synctest"

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

// What comes while a group is synced is written beside the sync, and shares the next one.
func TestWriteBesideSync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, d := newGatedStore(), newDone()
		c := start(t, s, d, nil)
		require.NoError(t, c.Submit(persist(1, put("a", "1"))))
		require.Len(t, <-s.entered, 1)
		s.release <- nil
		<-s.syncing
		for id := node.PersistID(2); id <= 4; id++ {
			require.NoError(t, c.Submit(persist(id, put("b", "2"))))
			require.Len(t, <-s.entered, 1, "written beside the sync")
			s.release <- nil
		}
		synctest.Wait()
		require.Empty(t, d.said(), "what is written is not durable")
		s.synced <- nil
		<-s.syncing
		require.Equal(t, node.PersistID(1), <-d.upTo)
		s.synced <- nil
		require.NoError(t, c.Close())
		require.Equal(t, []string{"1 <nil>", "4 <nil>"}, d.said())
	})
}

// Beside a sync no more is written than the next group has room for; the rest waits in the queue.
func TestGroupInPartsHasALimit(t *testing.T) {
	for name, limit := range map[string]func(*committer.Options){
		"changes": func(o *committer.Options) { o.GroupChangesMax = 3 },
		"bytes":   func(o *committer.Options) { o.GroupBytesMax = 8 },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, d := newGatedStore(), newDone()
				c := start(t, s, d, limit)
				require.NoError(t, c.Submit(persist(1, put("a", "1"), put("b", "1"), put("c", "1"), put("d", "1"),
					put("e", "1"))))
				require.Len(t, <-s.entered, 5, "a group of its own")
				s.release <- nil
				<-s.syncing
				for id := node.PersistID(2); id <= 5; id++ {
					require.NoError(t, c.Submit(persist(id, put("ab", "12"))))
					if name == "changes" && id <= 4 || id <= 3 {
						<-s.entered
						s.release <- nil
					}
				}
				synctest.Wait()
				waiting := c.Backlog().Persists
				s.synced <- nil
				<-s.syncing
				require.Len(t, <-s.entered, waiting)
				s.release <- nil
				s.synced <- nil
				<-s.syncing
				s.synced <- nil
				require.NoError(t, c.Close())
				if name == "changes" {
					require.Equal(t, []string{"1 <nil>", "4 <nil>", "5 <nil>"}, d.said())
				} else {
					require.Equal(t, []string{"1 <nil>", "3 <nil>", "5 <nil>"}, d.said())
				}
			})
		})
	}
}

// When a later part of a group cannot be written, the parts before it are still synced and reported.
func TestPartFails(t *testing.T) {
	s, d, c := startTwoGroups(t)
	s.release <- nil
	require.NoError(t, c.Submit(persist(3, put("c", "3"))))
	<-s.entered
	s.release <- errDisk
	s.synced <- nil
	<-s.syncing
	s.synced <- nil
	require.ErrorIs(t, c.Close(), errDisk)
	require.Equal(t, []string{"1 <nil>", "2 <nil>", "3 " + errDisk.Error()}, d.said())
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
