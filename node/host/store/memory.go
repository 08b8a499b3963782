package store

import (
	"github.com/tidwall/btree"
)

// memory is a table of the changes that Badger does not have yet. A nil value means that the key is deleted. Keys and
// values are never written to again.
type memory struct {
	tree  btree.Map[string, []byte]
	bytes int64  // of keys and values, with their overhead.
	upTo  uint64 // the last record of the journal whose changes are in it.
}

// entryBytes is what an entry takes besides key and value.
const entryBytes = 64

func (m *memory) set(key string, value []byte) {
	former, replaced := m.tree.Set(key, value)
	if replaced {
		m.bytes += int64(len(value) - len(former))
	} else {
		m.bytes += int64(len(key)+len(value)) + entryBytes
	}
}

// clone returns a copy of the value that is not nil, unless the value is.
func clone(value []byte) []byte {
	if value == nil {
		return nil
	}
	return append(make([]byte, 0, len(value)), value...)
}

// snapshot is the content of the memory tables at one moment. Its tables are not written to.
type snapshot struct{ newer, older *btree.Map[string, []byte] }

// cursor goes through a snapshot in the order of its keys.
type cursor struct {
	sides [2]side
}

// side is one table of a cursor.
type side struct {
	iter  btree.MapIter[string, []byte]
	valid bool
}

func (s *snapshot) cursor(from string) *cursor {
	c := &cursor{}
	for i, tree := range []*btree.Map[string, []byte]{s.newer, s.older} {
		if tree != nil {
			c.sides[i].iter = tree.Iter()
			c.sides[i].valid = c.sides[i].iter.Seek(from)
		}
	}
	return c
}

// peek returns the entry that the cursor is at. Of two with one key it is the newer one.
func (c *cursor) peek() (key string, value []byte, ok bool) {
	for i := range c.sides {
		if s := &c.sides[i]; s.valid && (!ok || s.iter.Key() < key) {
			key, value, ok = s.iter.Key(), s.iter.Value(), true
		}
	}
	return key, value, ok
}

// pass moves beyond key.
func (c *cursor) pass(key string) {
	for i := range c.sides {
		if s := &c.sides[i]; s.valid && s.iter.Key() == key {
			s.valid = s.iter.Next()
		}
	}
}
