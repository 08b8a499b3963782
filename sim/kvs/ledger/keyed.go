package ledger

import (
	"slices"
	"time"
)

// Keyed keeps clients within the promise of an idempotency key: the key is kept with its path for the next 63 writes
// under keys (node/api/openapi.yaml, Idempotency-Key), and a retry after that is a new write. While a write that may
// still be tried, or may still be in flight, has seen nearly so many begin on its path, other writes there get no keys.
// Writes that name a version have another promise: their answer says when the key may have been dropped. So they need
// not be waited for, but they count for the others.
type Keyed struct {
	begun map[string]int // by path, under keys.
	open  []keyedWrite   // those that name no version.
}

type keyedWrite struct {
	path   string
	client int
	count  int // number of writes begun on the path when it began.
	until  time.Duration
}

const keyedWritesMax = 48 // of the 63; several may pass the last check at once.

// MayBegin reports whether one more write under a key may begin on a path.
func (k *Keyed) MayBegin(path string, now time.Duration) bool {
	k.open = slices.DeleteFunc(k.open, func(w keyedWrite) bool { return w.until < now })
	return !slices.ContainsFunc(k.open, func(w keyedWrite) bool {
		return w.path == path &&
			k.begun[path]-w.count >= keyedWritesMax
	})
}

// Begin records a write that begins. Named: it names the version that it requires.
func (k *Keyed) Begin(path string, client int, until time.Duration, named bool) {
	if k.begun == nil {
		k.begun = make(map[string]int)
	}
	k.begun[path]++
	if !named {
		k.open = append(k.open, keyedWrite{path, client, k.begun[path], until})
	}
}

// Tried records that a client tries its open write once more: until then it may be under way.
func (k *Keyed) Tried(client int, until time.Duration) {
	for i := range k.open {
		if w := &k.open[i]; w.client == client {
			w.until = max(w.until, until)
		}
	}
}
