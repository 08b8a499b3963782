package node

import "errors"

// Reader is the part of a store that a node and its View read from.
//
// It shows durable data only: what an Apply that has returned nil put there, nothing else. It is safe for concurrent use,
// also beside Apply.
type Reader interface {
	// Get returns the value under key, and whether there is one. The slice is never written to again by anybody.
	Get(key string) (value []byte, found bool, err error)

	// Scan calls fn for each key that begins with prefix and is not below from, in ascending byte order, until fn returns
	// false. The value is only valid during the call. fn must not call back into the store.
	Scan(prefix, from string, fn func(key string, value []byte) bool) error
}

// Store is a Reader that can be written to: Badger on a real machine, a small sorted map in the simulator.
// node/storetest holds the suite every implementation has to pass.
type Store interface {
	Reader

	// Apply makes ops durable, all or none, later ones winning over earlier ones on the same key. It returns after the
	// fsync. One goroutine calls it at a time. After an error nobody knows what is on disk, and the store refuses every
	// further Apply. Values are not retained.
	Apply(ops []Op) error

	// Close releases the store. Everything applied stays.
	Close() error
}

// ErrCorrupt is wrapped by every error that means: what was read is not what was written.
var ErrCorrupt = errors.New("stored data is corrupt")

// Store keys begin with one of these bytes.
const (
	prefixMeta   = "m/" // the node's own facts: identity, clock bound.
	prefixIndex  = "h/" // the versions of all records by their hash, see index.go.
	prefixRecord = "r/" // one record a path: prefixRecord + path.
	// Conflicts and their losers, for a while: see losers.go.
	prefixConflict = "c/"
	// prefixTombstone + path: there may be a tombstone under the path, see gc.go.
	prefixTombstone = "g/"
	// prefixExpiry + path: the value under the path expires, see expiry.go.
	prefixExpiry = "x/"
)
