package comparison

import (
	"encoding/binary"
	"fmt"
	"strings"

	"kvs/node/codec"
	"kvs/node/contract"
	"kvs/node/merkle"
	"kvs/node/schema"
	"kvs/node/slot"
	"kvs/node/step"
)

// The index tells the version of every slot without reading values. Under the key PrefixIndex, the leaf of the path's
// hash in four hexadecimal digits, and the path, it has the version of the slot (timestamp u64, sum 16 bytes), written
// in the same persist as the slot itself. With a hash tree over it in memory two members find what differs between them
// (session.go). The tree covers durable data only; it is built from the index at each start.
//
// A slot that holds no version, only a promise, is not in the index: it is this member's own.
//
// Where the index was empty when this run began, a path without a slot has no entry either: that saves a new path, such
// as each one of a bulk load, a read. An index of former runs may have entries without slots, if that disk has lost
// something, and then the tree has them too: they have to be read, or the tree would never get rid of them.
type index struct {
	tree     merkle.Tree
	keys     int
	own      bool                 // all its entries are of this run.
	pending  []indexChange        // not durable yet, in the order of their persists.
	inflight map[string]indexNext // of paths with pending changes, the last one.
	scrub    scrub
	recent   *step.Recent[entry] // what the index has for recent paths, changes under way included.
	stale    bool                // a read failed, and the tree is to be made anew.
	room     []byte              `image:"-"` // for the values of entries, see encodeVersion.
}

// entry is what the index has for a path, and where.
type entry struct {
	version slot.Version
	place   place `image:"-"` // once it is known: each write needs it.
}

// place is where a path is in the index and in the tree.
type place struct {
	key  string // of the entry; empty: the place is not known.
	leaf uint32
	hash uint64
}

// recentIndexMax bounds the memory of what the index has for recent paths.
const recentIndexMax = 4 << 20

type indexChange struct {
	persist contract.PersistID
	path    string
	leaf    uint32
	delta   uint64
	keys    int
}

type indexNext struct {
	persist contract.PersistID
	version slot.Version
}

// IndexKey is the key under which the index has a path.
func IndexKey(path string) string { return placeOf(path).key }

func placeOf(path string) place {
	hash := merkle.Hash(path)
	leaf := merkle.Leaf(hash)
	digits := leafDigits(leaf)
	return place{schema.PrefixIndex + string(digits[:]) + path, leaf, hash}
}

// isIndexKey reports whether a key below schema.PrefixIndex is that of a path.
func isIndexKey(key, path string) bool {
	digits := leafDigits(merkle.Leaf(merkle.Hash(path)))
	rest, is := strings.CutPrefix(key[len(schema.PrefixIndex):], string(digits[:]))
	return is && rest == path
}

// leafDigits are the four hexadecimal digits of a leaf.
func leafDigits(leaf uint32) (digits [4]byte) {
	for i := range digits {
		digits[i] = "0123456789abcdef"[leaf>>(12-4*i)&0xf]
	}
	return digits
}

func indexItem(hash uint64, v slot.Version) uint64 {
	if v == (slot.Version{}) {
		return 0
	}
	uuid := v.UUID[:]
	return merkle.Item(hash, uint64(v.TS), binary.LittleEndian.Uint64(uuid[:8]), binary.LittleEndian.Uint64(uuid[8:]))
}

// indexed is the version that the index has for a path, changes under way included, whether it could be read, and the
// place of the path. absent: the path has no slot yet.
func (m *Machine) indexed(path string, absent bool) (v slot.Version, known bool, at place) {
	recent := m.index.recent.Get(path)
	if recent != nil {
		at = recent.place
	}
	if at.key == "" {
		at = placeOf(path)
	}
	if next, ok := m.index.inflight[path]; ok {
		return next.version, true, at
	}
	if recent != nil {
		return recent.version, true, at
	}
	if absent && m.index.own {
		return v, true, at
	}
	v, known = m.indexedAnew(path, at.key)
	return v, known, at
}

// indexedAnew is indexed, past what is kept of recent paths: it is for what stands on the disk.
func (m *Machine) indexedAnew(path, key string) (v slot.Version, known bool) {
	if next, ok := m.index.inflight[path]; ok {
		m.index.recent.Drop(path)
		return next.version, true
	}
	b, ok, err := m.Store.Get(key)
	if err != nil {
		m.index.stale = true // the tree will be wrong about this path.
		m.Log(contract.LogError, "the index cannot be read", "path", path, "error", err.Error())
	}
	whole := false
	if err == nil && ok {
		v, whole = decodeIndexed(b)
	}
	switch recent := m.index.recent.Get(path); {
	case !whole:
		m.index.recent.Drop(path)
	case recent != nil:
		recent.version = v
	default:
		m.putRecent(path, entry{version: v})
	}
	return v, err == nil
}

func decodeIndexed(b []byte) (slot.Version, bool) {
	if len(b) == 24 {
		if ts := slot.Timestamp(binary.LittleEndian.Uint64(b)); !ts.Absurd() {
			return slot.Version{TS: ts, UUID: slot.UUID(b[8:])}, true
		}
	}
	r := codec.Read(b)
	v := slot.ReadVersion(r)
	return v, r.End() == nil
}

// Wrote puts a slot that the running step writes under a path into the index. It reports whether the index had another
// version. absent: it is known that there was no slot under the path.
func (m *Machine) Wrote(path string, stored *slot.Stored, absent bool) (changed bool) {
	return m.setIndexed(path, stored.Version, absent)
}

// Erased takes a path that the running step takes out of the store out of the index.
func (m *Machine) Erased(path string) { m.setIndexed(path, slot.Version{}, false) }

// setIndexed changes what the index has for a path, in the running step's persist. The zero Version takes it out. It
// reports whether that is a change. absent is that of indexed.
func (m *Machine) setIndexed(path string, v slot.Version, absent bool) (changed bool) {
	before, known, at := m.indexed(path, absent)
	if known && before == v {
		return false
	}
	c := indexChange{persist: m.NextPersist(), path: path, leaf: at.leaf}
	c.delta = indexItem(at.hash, v) - indexItem(at.hash, before)
	change := contract.Change{Key: at.key}
	if v != (slot.Version{}) {
		change.Value = m.index.encode(v)
		c.keys++
	}
	if before != (slot.Version{}) {
		c.keys--
	}
	m.Changes = append(m.Changes, change)
	m.index.pending = append(m.index.pending, c)
	if m.index.inflight == nil {
		m.index.inflight = make(map[string]indexNext)
	}
	m.index.inflight[path] = indexNext{c.persist, v}
	m.putRecent(path, entry{v, at})
	return true
}

// encode is the value of an entry. Many share one allocation: the store writes them into one file together, too.
func (x *index) encode(v slot.Version) []byte {
	const versions = 16
	if len(x.room) == 0 {
		x.room = make([]byte, versions*slot.VersionBytes)
	}
	value := x.room[:0:slot.VersionBytes]
	x.room = x.room[slot.VersionBytes:]
	return slot.AppendVersion(value, v)
}

// putRecent keeps what the index has for a path.
func (m *Machine) putRecent(path string, e entry) {
	m.index.recent.Put(path, e, len(schema.PrefixIndex)+4+len(path))
}

// BecameDurable lets the tree follow what has become durable.
func (m *Machine) BecameDurable(upTo contract.PersistID) {
	x := &m.index
	done := 0
	for done < len(x.pending) && x.pending[done].persist <= upTo {
		c := &x.pending[done]
		x.tree.Add(c.leaf, c.delta)
		x.keys += c.keys
		if x.inflight[c.path].persist <= upTo {
			delete(x.inflight, c.path)
		}
		done++
	}
	if done > 0 {
		left := copy(x.pending, x.pending[done:])
		clear(x.pending[left:])
		x.pending = x.pending[:left]
		m.digest = m.makeDigest()
	}
}

// makeDigest is a hash of everything that is durable here. It is never zero, which means "unknown".
func (m *Machine) makeDigest() uint64 {
	return max(1, merkle.Item(m.index.tree.Root(), uint64(m.index.keys), 0, 0))
}

// ForgetRecent drops what is kept of the index for recent paths: it is read from the store again.
func (m *Machine) ForgetRecent() { m.index.recent.Clear() }

// Recover builds the tree.
func (m *Machine) Recover() error {
	x := &m.index
	x.recent.Clear()
	bad := 0
	err := m.Store.Scan(schema.PrefixIndex, schema.PrefixIndex, func(key string, value []byte) bool {
		path, ok := cutIndexKey(key)
		v, whole := decodeIndexed(value)
		if !ok || !whole || v == (slot.Version{}) {
			bad++
			return true
		}
		hash := merkle.Hash(path)
		x.tree.Add(merkle.Leaf(hash), indexItem(hash, v))
		x.keys++
		return true
	})
	if err != nil {
		return fmt.Errorf("recover index: %w", err)
	}
	x.own = x.keys == 0 && bad == 0
	if bad > 0 {
		m.Log(contract.LogWarn, "entries of the index cannot be read, they are put right in the background",
			"entries", bad)
	}
	m.digest = m.makeDigest()
	x.scrub.next = m.Now.Mono + scrubInterval
	return nil
}

// rebuildIndex builds the tree again after a read of the index had failed, once no persist is in flight.
func (m *Machine) rebuildIndex() {
	x := &m.index
	if !x.stale || len(x.pending) > 0 {
		return
	}
	tree, keys := x.tree, x.keys
	x.tree, x.keys = merkle.Tree{}, 0
	if err := m.Recover(); err != nil {
		x.tree, x.keys = tree, keys
		m.Log(contract.LogError, "the hash tree cannot be made anew yet", "error", err.Error())
		return
	}
	x.stale = false
	m.Soon()
}

func cutIndexKey(key string) (path string, ok bool) {
	const head = len(schema.PrefixIndex) + 4
	if len(key) <= head {
		return "", false
	}
	path = key[head:]
	digits := leafDigits(merkle.Leaf(merkle.Hash(path)))
	ok = key[:len(schema.PrefixIndex)] == schema.PrefixIndex && key[len(schema.PrefixIndex):head] == string(digits[:])
	return path, ok
}

// listLeaf calls fn for the durable entries of a leaf, in the order of their paths. It reports whether the list is
// complete.
func (m *Machine) listLeaf(leaf uint32, fn func(path string, v slot.Version)) (whole bool) {
	digits := leafDigits(leaf)
	prefix := schema.PrefixIndex + string(digits[:])
	err := m.Store.Scan(prefix, prefix, func(key string, value []byte) bool {
		if v, ok := decodeIndexed(value); ok {
			fn(key[len(prefix):], v)
		}
		return true
	})
	if err != nil {
		m.Log(contract.LogError, "the index cannot be read", "leaf", leaf, "error", err.Error())
	}
	return err == nil
}
