package live

import (
	"slices"
	"sync"
	"time"
)

// keyedWrites keeps clients within the promise of an idempotency key: the key is kept with its path for the next 63
// writes under keys (node/api/openapi.yaml, Idempotency-Key), and a retry after that is a new write. While a write that
// may still be tried, or may still be in flight, has seen nearly so many begin on its path, other writes there get no
// keys. The simulator has the same rule. It is safe for concurrent use.
type keyedWrites struct {
	mu    sync.Mutex
	begun map[string]int // by path, under keys.
	open  []keyedWrite
}

type keyedWrite struct {
	path   string
	client int
	count  int // number of writes begun on the path when it began.
	until  time.Time
}

const keyedWritesMax = 48 // of the 63: those under way are not counted.

// begin records that a client begins one more write under a key, and reports whether it may. With always it may in any
// case.
func (k *keyedWrites) begin(path string, client int, now, until time.Time, always bool) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.open = slices.DeleteFunc(k.open, func(w keyedWrite) bool { return w.until.Before(now) })
	full := slices.ContainsFunc(k.open, func(w keyedWrite) bool {
		return w.path == path && k.begun[path]-w.count >= keyedWritesMax
	})
	if full && !always {
		return false
	}
	if k.begun == nil {
		k.begun = map[string]int{}
	}
	k.begun[path]++
	k.open = append(k.open, keyedWrite{path, client, k.begun[path], until})
	return true
}

// tried records that a client tries its open write once more: until then it may be under way.
func (k *keyedWrites) tried(client int, until time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for i := range k.open {
		if w := &k.open[i]; w.client == client && w.until.Before(until) {
			w.until = until
		}
	}
}
