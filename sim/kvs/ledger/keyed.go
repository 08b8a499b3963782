package ledger

import (
	"slices"
	"time"
)

// Keyed watches over what an idempotency key promises: it is kept with its path for the next 63 writes under
// keys (node/api/openapi.yaml, Idempotency-Key), and a retry after that is a new write. While one that may still be
// tried, or may still be under way somewhere, has seen nearly so many begin on its path, others there go without
// keys. Of those that name a version the promise is another one: they are told when the key may have been
// forgotten. So nobody has to wait for them, but they count for the others.
type Keyed struct {
	begun map[string]int // by path, under keys.
	open  []keyedWrite   // of those that name no version.
}

type keyedWrite struct {
	path   string
	client int
	count  int // of those begun on the path, when it was.
	until  time.Duration
}

const keyedWritesMax = 48 // of the 63; several may pass the last look at once.

// MayBegin reports whether one more write under a key may begin on a path.
func (k *Keyed) MayBegin(path string, now time.Duration) bool {
	k.open = slices.DeleteFunc(k.open, func(w keyedWrite) bool { return w.until < now })
	return !slices.ContainsFunc(k.open, func(w keyedWrite) bool {
		return w.path == path &&
			k.begun[path]-w.count >= keyedWritesMax
	})
}

// Begin notes one that begins. Named: it names the version that it wants.
func (k *Keyed) Begin(path string, client int, until time.Duration, named bool) {
	if k.begun == nil {
		k.begun = make(map[string]int)
	}
	k.begun[path]++
	if !named {
		k.open = append(k.open, keyedWrite{path, client, k.begun[path], until})
	}
}

// Tried notes that a client tries its open write once more: until then it may be under way.
func (k *Keyed) Tried(client int, until time.Duration) {
	for i := range k.open {
		if w := &k.open[i]; w.client == client {
			w.until = max(w.until, until)
		}
	}
}
