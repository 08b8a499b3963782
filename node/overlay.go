package node

import (
	"errors"
	"fmt"
)

// errRead is wrapped by errors of this member's own disk: what a peer or a client sent is none the worse.
var errRead = errors.New("a record cannot be read from the disk")

// overlay holds the records that this node has written but whose persists are not durable yet. The core reads through it;
// whoever lets the world see something it found there waits for the persist that carries it.
type overlay struct {
	byPath map[string]pending
	order  []pendingPath // in the order of their persists.
}

type pending struct {
	record  []byte // encoded; nil: the path was erased.
	persist PersistID
}

type pendingPath struct {
	path    string
	persist PersistID
}

func (o *overlay) init() { o.byPath = make(map[string]pending) }

func (o *overlay) put(path string, record []byte, persist PersistID) {
	o.byPath[path] = pending{record, persist}
	o.order = append(o.order, pendingPath{path, persist})
}

// durable forgets what the store shows by now.
func (o *overlay) durable(upTo PersistID) {
	done := 0
	for done < len(o.order) && o.order[done].persist <= upTo {
		p := o.order[done].path
		if o.byPath[p].persist <= upTo {
			delete(o.byPath, p) // also a no-op for a path whose earlier entry deleted it.
		}
		done++
	}
	if done > 0 {
		n := copy(o.order, o.order[done:])
		clear(o.order[n:])
		o.order = o.order[:n]
	}
}

// held is what this node has for a path, and the persist one has to wait for before showing it (zero: none).
type held struct {
	record []byte // encoded; nil: nothing.
	after  PersistID
}

// current reads a path through the overlay. Errors are the store's.
func (n *Node) current(path string) (held, error) {
	if p, ok := n.overlay.byPath[path]; ok {
		return held{p.record, p.persist}, nil
	}
	b, ok, err := n.store.Get(recordKey(path))
	if err != nil {
		return held{}, fmt.Errorf("%w: %w", errRead, err)
	}
	if !ok {
		return held{}, nil
	}
	return held{record: b}, nil
}

// recordKey is where the slot of a path is stored. The register that decides on the next configuration is this member's own.
func recordKey(path string) string {
	if isConfigPath(path) {
		return keyConfigVotePrefix + path[len(configPathPrefix):]
	}
	return prefixRecord + path
}

// write puts an encoded record in the running step's persist.
func (n *Node) write(path string, record []byte) PersistID {
	id := n.writeRecord(path, record)
	if isConfigPath(path) {
		return id
	}
	if encodedTombstone(path, record) {
		n.ops = append(n.ops, n.tombstoneOp(path))
	}
	n.noteExpiry(path, record)
	n.setIndexed(path, encodedVersion(path, record))
	return id
}

// writeRecord is write for a slot of which nothing has changed but the promise: index, tombstones and ends stay as they are, and are
// not even looked at.
func (n *Node) writeRecord(path string, record []byte) PersistID {
	id := n.nextPersist()
	n.overlay.put(path, record, id)
	if n.ops == nil {
		n.ops = make([]Op, 0, 2) // the record and its index.
	}
	n.ops = append(n.ops, Op{Key: recordKey(path), Value: record})
	return id
}

// erase takes a path out of the store for good, in the running step's persist. Only the collection of tombstones may do that:
// see gc.go.
func (n *Node) erase(path string) PersistID {
	id := n.nextPersist()
	n.overlay.put(path, nil, id)
	n.ops = append(n.ops, Op{Key: prefixRecord + path}, Op{Key: prefixTombstone + path})
	n.setIndexed(path, Version{})
	return id
}
