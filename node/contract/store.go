package contract

// Reader is the part of a store that a node and its View read from.
//
// It shows durable data only: changes of an Apply that has returned nil. It is safe for concurrent use, also beside
// Apply.
type Reader interface {
	// Get returns the value under key, and whether there is one. The slice is never written to again.
	Get(key string) (value []byte, found bool, err error)

	// Scan calls fn for each key that begins with prefix and is not below from, in ascending byte order, until fn
	// returns false. The value is only valid during the call. fn must not call back into the store.
	Scan(prefix, from string, fn func(key string, value []byte) bool) error
}

// KeyScanner is a Reader that can go through its keys without reading values.
type KeyScanner interface {
	// ScanKeys is Scan without the values.
	ScanKeys(prefix, from string, fn func(key string) bool) error
}

// ScanKeys goes through the keys of a store, and reads no values where the store can do without.
func ScanKeys(store Reader, prefix, from string, fn func(key string) bool) error {
	if s, ok := store.(KeyScanner); ok {
		return s.ScanKeys(prefix, from, fn)
	}
	return store.Scan(prefix, from, func(key string, _ []byte) bool { return fn(key) })
}

// Store is a Reader that can be written to: Badger on a real machine, a small sorted map in the simulator.
// node/storetest holds the suite every implementation has to pass.
type Store interface {
	Reader

	// Apply makes changes durable, all or none, later ones winning over earlier ones on the same key. It returns after
	// the fsync. One goroutine calls it at a time. After an error it is unknown what is on disk, and the store refuses
	// every further Apply. Values are not retained.
	Apply(changes []Change) error

	// Close releases the store. Everything applied stays.
	Close() error
}
