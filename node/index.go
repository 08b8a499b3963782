package node

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"kvs/node/merkle"
)

// The index says what this member holds without reading values: under prefixIndex, the leaf of the path's hash in four
// hexadecimal digits, and the path stands the version of its slot (timestamp u64, sum 16 bytes), written in the same persist as
// the slot itself. A hash tree over it in memory tells two members what differs between them (sync.go). The tree shows what is
// durable and nothing else; it is built from the index at each start.
//
// A slot that holds no version, only a promise, is not in the index: it is this member's own.
type index struct {
	tree     merkle.Tree
	keys     int
	pending  []indexChange        // not durable yet, in the order of their persists.
	inflight map[string]indexNext // of paths with pending changes, the last one.
	scrub    scrub
	stale    bool // a read failed, and the tree is to be made anew.
}

type indexChange struct {
	persist PersistID
	path    string
	leaf    uint32
	delta   uint64
	keys    int
}

type indexNext struct {
	persist PersistID
	version Version
}

// scrub walks through records and index from time to time and compares them: rot is found although nobody reads, and an index
// that does not fit is put right.
type scrub struct {
	next    time.Duration
	record  string // the next path to look at; empty: from the beginning.
	entry   string // the next index key.
	entries bool   // whose turn it is.
}

const (
	scrubInterval = time.Second
	scrubKeys     = 64 // looked at each time: a million keys take four hours.
)

func indexKey(path string) (key string, leaf uint32, hash uint64) {
	hash = merkle.Hash(path)
	leaf = merkle.Leaf(hash)
	digits := leafDigits(leaf)
	return prefixIndex + string(digits[:]) + path, leaf, hash
}

// leafDigits are the four hexadecimal digits of a leaf.
func leafDigits(leaf uint32) (digits [4]byte) {
	for i := range digits {
		digits[i] = "0123456789abcdef"[leaf>>(12-4*i)&0xf]
	}
	return digits
}

func indexItem(hash uint64, v Version) uint64 {
	if v == (Version{}) {
		return 0
	}
	return merkle.Item(hash, uint64(v.TS), binary.LittleEndian.Uint64(v.UUID[:8]), binary.LittleEndian.Uint64(v.UUID[8:]))
}

// indexed is the version that the index has for a path, changes under way included, and whether it could be read.
func (n *Node) indexed(path, key string) (v Version, known bool) {
	if next, ok := n.index.inflight[path]; ok {
		return next.version, true
	}
	b, ok, err := n.store.Get(key)
	if err != nil {
		n.index.stale = true // the tree will have a wrong idea of this path.
		n.log(LogError, "the index cannot be read", "path", path, "error", err.Error())
	}
	if err != nil || !ok {
		return Version{}, err == nil
	}
	v, _ = decodeIndexed(b)
	return v, true
}

func decodeIndexed(b []byte) (Version, bool) {
	r := wireReader{b: b}
	v := r.version()
	return v, r.end() == nil
}

// setIndexed changes what the index has for a path, in the running step's persist. The zero Version takes it out.
func (n *Node) setIndexed(path string, v Version) {
	key, leaf, hash := indexKey(path)
	before, known := n.indexed(path, key)
	if known && before == v {
		return
	}
	c := indexChange{persist: n.nextPersist(), path: path, leaf: leaf, delta: indexItem(hash, v) - indexItem(hash, before)}
	op := Op{Key: key}
	if v != (Version{}) {
		op.Value = appendVersion(make([]byte, 0, 24), v)
		c.keys++
	}
	if before != (Version{}) {
		c.keys--
	}
	n.ops = append(n.ops, op)
	n.index.pending = append(n.index.pending, c)
	if n.index.inflight == nil {
		n.index.inflight = make(map[string]indexNext)
	}
	n.index.inflight[path] = indexNext{c.persist, v}
}

// encodedVersion reads the version of a slot that this member has just encoded.
func encodedVersion(path string, record []byte) Version {
	if record[0] == slotFormat && record[9] == 1 { // nearly always: one candidate stands for the whole slot.
		return Version{TS: slotTimestamp(record), UUID: UUID(record[slotHeader+1:])}
	}
	s, err := DecodeSlot(path, record)
	invariant(err == nil, "a slot that was just encoded cannot be read", "path", path, "error", err)
	return s.version()
}

// indexDurable lets the tree follow what has become durable.
func (n *Node) indexDurable(upTo PersistID) {
	x := &n.index
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
		n.digest = n.makeDigest()
	}
}

// makeDigest stands for everything that is durable here. It is never zero, which means "unknown".
func (n *Node) makeDigest() uint64 {
	return max(1, merkle.Item(n.index.tree.Root(), uint64(n.index.keys), 0, 0))
}

// recoverIndex builds the tree.
func (n *Node) recoverIndex() error {
	x := &n.index
	bad := 0
	err := n.store.Scan(prefixIndex, prefixIndex, func(key string, value []byte) bool {
		path, ok := cutIndexKey(key)
		v, whole := decodeIndexed(value)
		if !ok || !whole || v == (Version{}) {
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
	if bad > 0 {
		n.log(LogWarn, "entries of the index cannot be read, they are put right in the background", "entries", bad)
	}
	n.digest = n.makeDigest()
	x.scrub.next = n.now.Mono + scrubInterval
	return nil
}

// rebuildIndex makes the tree anew after a read of the index had failed, once nothing is on its way to the disk.
func (n *Node) rebuildIndex() {
	x := &n.index
	if !x.stale || len(x.pending) > 0 {
		return
	}
	tree, keys := x.tree, x.keys
	x.tree, x.keys = merkle.Tree{}, 0
	if err := n.recoverIndex(); err != nil {
		x.tree, x.keys = tree, keys
		n.log(LogError, "the hash tree cannot be made anew yet", "error", err.Error())
		return
	}
	x.stale = false
	n.syncSoon()
}

func cutIndexKey(key string) (path string, ok bool) {
	const head = len(prefixIndex) + 4
	if len(key) <= head {
		return "", false
	}
	path = key[head:]
	digits := leafDigits(merkle.Leaf(merkle.Hash(path)))
	return path, key[:len(prefixIndex)] == prefixIndex && key[len(prefixIndex):head] == string(digits[:])
}

// listLeaf calls fn for the durable entries of a leaf, in the order of their paths. It reports whether those were all.
func (n *Node) listLeaf(leaf uint32, fn func(path string, v Version)) (whole bool) {
	digits := leafDigits(leaf)
	prefix := prefixIndex + string(digits[:])
	err := n.store.Scan(prefix, prefix, func(key string, value []byte) bool {
		if v, ok := decodeIndexed(value); ok {
			fn(key[len(prefix):], v)
		}
		return true
	})
	if err != nil {
		n.log(LogError, "the index cannot be read", "leaf", leaf, "error", err.Error())
	}
	return err == nil
}

// tickScrub looks at some records, or some entries of the index, and puts the index right.
func (n *Node) tickScrub() {
	s := &n.index.scrub
	if n.now.Mono < s.next {
		return
	}
	s.next = n.now.Mono + scrubInterval
	n.rebuildIndex()
	var paths []string
	if s.entries = !s.entries; s.entries {
		paths, s.entry = n.scrubPart(prefixIndex, s.entry)
	} else {
		paths, s.record = n.scrubPart(prefixRecord, s.record)
	}
	for _, path := range paths {
		n.scrubPath(path)
	}
}

// scrubPart returns the next paths below a prefix, and where to go on.
func (n *Node) scrubPart(prefix, from string) (paths []string, next string) {
	err := n.store.Scan(prefix, prefix+from, func(key string, _ []byte) bool {
		if len(paths) == scrubKeys {
			next = key[len(prefix):]
			return false
		}
		path := key[len(prefix):]
		if prefix == prefixIndex {
			path = path[min(4, len(path)):]
		}
		paths = append(paths, path)
		return true
	})
	if err != nil {
		n.log(LogError, "scan failed", "from", from, "error", err.Error())
	}
	return paths, next
}

// scrubPath compares a record with the index. One that is rotten is taken out of it, so that comparisons bring a peer's copy.
func (n *Node) scrubPath(path string) {
	if _, busy := n.overlay.byPath[path]; busy || CheckPath(path) != nil {
		return
	}
	key, _, _ := indexKey(path)
	slot := &n.scratch
	err := n.currentInto(slot, path)
	if errors.Is(err, errRead) {
		return // it may be as good as ever.
	}
	if v, known := n.indexed(path, key); known && v != slot.version() {
		n.counters.ScrubRepairs++
		if err != nil {
			n.log(LogWarn, "corrupt record found, a peer's copy will replace it", "path", path, "error", err.Error())
		} else {
			n.log(LogWarn, "the index did not fit a record and was put right", "path", path)
		}
		n.setIndexed(path, slot.version())
		n.syncSoon()
	}
}
