package badgerstore

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/dgraph-io/ristretto/v2/z"
)

// A table that cannot be made is tried again until it can, inside of Badger (third_party/ristretto, z/insist.go). The
// store learns of it here: it gives up the ballast if that helps, takes no writes meanwhile, and does not wait for
// Badger for ever when it is closed.

// stores are those that are open for writing, by their folders.
var stores sync.Map

func init() {
	z.Waiting = func(name string, err error) {
		if s, ok := stores.Load(filepath.Dir(name)); ok {
			s.(*Store).stuck.note(s.(*Store), name, err)
		}
	}
	z.Failed = func(err error) { // it does not say whose file it was: the disk fails all of them.
		stores.Range(func(_, s any) bool {
			s.(*Store).stuck.fail(err)
			return true
		})
	}
}

// stuck is which tables cannot be made. It is safe for concurrent use.
type stuck struct {
	mu     sync.Mutex
	tables map[string]time.Time // since when, by their names.
	err    error                // of the last attempt.
	failed error                // a table that was written did not reach the disk.
}

// note takes in the outcome of an attempt to make a table.
func (k *stuck) note(s *Store, name string, err error) {
	k.mu.Lock()
	_, before := k.tables[name]
	if err == nil {
		delete(k.tables, name)
	} else {
		k.err = err
		if !before {
			k.tables[name] = time.Now()
		}
	}
	k.mu.Unlock()
	if err == nil {
		s.log.Info("the table could be made", "name", name)
		return
	}
	if !before {
		s.log.Error("a table cannot be made, and is tried again until it can", "name", name, "error", err)
	}
	if noSpace(err) {
		if giveErr := s.ballast.giveWhenShort(); giveErr != nil && !before {
			s.log.Error("the space reserved for a full disk could not be released", "error", giveErr)
		}
	}
}

func (k *stuck) fail(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.failed = errors.Join(k.failed, fmt.Errorf("sync a table: %w", err))
}

// failure is why nothing more may be written; nil: nothing has failed.
func (k *stuck) failure() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.failed
}

// refuses is the error with which writes are refused while a table cannot be made; nil: none is waited for.
func (k *stuck) refuses() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.tables) == 0 {
		return nil
	}
	if noSpace(k.err) {
		return fmt.Errorf("%w: %w: make room on that disk", ErrDiskFull, k.err)
	}
	return fmt.Errorf("%w: %w", ErrRefused, k.err)
}

// hopeless reports whether Badger has waited so long that it is not waited for: for a table, or after a failure.
func (k *stuck) hopeless(patience time.Duration) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, since := range k.tables {
		if time.Since(since) > patience {
			return true
		}
	}
	return k.failed != nil
}

// How long Close waits for a table that cannot be made, and how often it looks.
const (
	closePatience = 2 * time.Second
	closeLook     = 20 * time.Millisecond
)

// ErrNotClosed means that Badger could not write out its memtables. They are in its logs, so the next start has them,
// as after the end of a killed process. The folder stays locked until this process ends.
var ErrNotClosed = errors.New("the store could not be closed in good order, and nothing is lost")

// closeBadger closes Badger, which waits for the tables that it makes of its memtables.
func (s *Store) closeBadger() error {
	closed := make(chan error, 1)
	go func() { closed <- s.db.Close() }()
	look := time.NewTicker(closeLook)
	defer look.Stop()
	for {
		select {
		case err := <-closed:
			stores.Delete(filepath.Clean(s.opts.Dir))
			return err
		case <-look.C:
			if !s.stuck.hopeless(closePatience) {
				continue
			}
			if err := s.stuck.failure(); err != nil {
				return err
			}
			return fmt.Errorf("%w: %w", ErrNotClosed, s.stuck.refuses())
		}
	}
}
