package node

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"

	"kvs/node/hlc"
	"kvs/node/swim"
)

// What a node keeps about itself. Each value is a format byte, 1, the fields, and a CRC-32C over the key and everything
// before. Integers are little-endian. An unknown format is refused: the data is of a newer kvs.
//
//	m/identity  id u64, born u64, cluster string     written once
//	m/boot      boots u64, clock bound u64           at each start and whenever the clock needs a higher bound
//	m/uptime    see expiry.go                        while values expire
//	m/mode      see mode.go                          while the operator wants the node to be read-only
//	m/stamps    see stamps.go                        when tombstones are dropped
//	m/config    the configuration in force: epoch_encoding.go
//	m/members   see book.go                          whom to dial after a restart, and who is gone for good
const (
	metaFormat  = 1
	keyIdentity = prefixMeta + "identity"
	keyBoot     = prefixMeta + "boot"
)

func sealMeta(key string, b []byte) []byte {
	sum := crc32.Update(crc32.Checksum([]byte(key), castagnoli), castagnoli, b)
	return binary.LittleEndian.AppendUint32(b, sum)
}

// readMeta returns the fields under key, or nothing when there is no such key.
func (n *Node) readMeta(key string) (*wireReader, error) {
	b, ok, err := n.store.Get(key)
	if err != nil || !ok {
		return nil, err
	}
	return openMeta(key, b)
}

// openMeta checks a record of the first format, and opens it.
func openMeta(key string, b []byte) (*wireReader, error) {
	r, _, err := openMetaUpTo(key, b, metaFormat)
	return r, err
}

// openMetaUpTo is openMeta for a record that has had several formats.
func openMetaUpTo(key string, b []byte, newest byte) (r *wireReader, format byte, err error) {
	if len(b) < 5 {
		return nil, 0, fmt.Errorf("%s: %d bytes: %w", key, len(b), ErrCorrupt)
	}
	body, sum := b[:len(b)-4], binary.LittleEndian.Uint32(b[len(b)-4:])
	if crc32.Update(crc32.Checksum([]byte(key), castagnoli), castagnoli, body) != sum {
		return nil, 0, fmt.Errorf("%s: checksum does not match: %w", key, ErrCorrupt)
	}
	if body[0] < metaFormat || body[0] > newest {
		return nil, 0, fmt.Errorf("%s: format %d is unknown to this version of kvs; start the newer version that wrote this data", key, body[0])
	}
	return &wireReader{b: body[1:]}, body[0], nil
}

// recoverMeta makes or reads the identity, resumes the clock above every value it ever issued, counts this start, and
// returns the address book. What has to become durable goes into the first persist.
func (n *Node) recoverMeta() (book []swim.Member, err error) {
	identity, err := n.readMeta(keyIdentity)
	if err != nil {
		return nil, fmt.Errorf("recover identity: %w", err)
	}
	boot, err := n.readMeta(keyBoot)
	if err != nil {
		return nil, fmt.Errorf("recover clock: %w", err)
	}
	if (identity == nil) != (boot == nil) {
		return nil, fmt.Errorf("recover identity: one of %s and %s is missing: %w", keyIdentity, keyBoot, ErrCorrupt)
	}
	if identity == nil {
		return nil, n.newIdentity()
	}
	n.id, n.born = ID(identity.u64()), Timestamp(identity.u64())
	cluster := string(identity.take(int(identity.u16())))
	n.boots = boot.u64()
	bound := Timestamp(boot.u64())
	if identity.end() != nil || boot.end() != nil || n.id == 0 {
		return nil, fmt.Errorf("recover identity: impossible content: %w", ErrCorrupt)
	}
	if cluster != n.opts.Cluster {
		return nil, fmt.Errorf("this data belongs to cluster %q, the configuration says %q: set the cluster back, or use an empty data folder to join as a new member", cluster, n.opts.Cluster)
	}
	n.clock = hlc.Resume(bound)
	n.boots++
	n.ops = append(n.ops, n.bootOp(bound))
	if err := n.recoverMode(); err != nil {
		return nil, err
	}
	if err := n.recoverStamps(); err != nil {
		return nil, err
	}
	if err := n.recoverExpiry(); err != nil {
		return nil, err
	}
	return n.recoverBook()
}

// StoredIdentity returns the identity in a store, and the members that it knew; zero and none for an empty one.
func StoredIdentity(store Reader) (id ID, known []swim.Member, err error) {
	n := &Node{store: store, tuning: DefaultTuning()}
	identity, err := n.readMeta(keyIdentity)
	if err != nil || identity == nil {
		return 0, nil, err
	}
	known, err = n.recoverBook()
	return ID(identity.u64()), known, err
}

func (n *Node) newIdentity() error {
	for n.id == 0 {
		n.id = ID(n.rng.Uint64())
	}
	born, bound, err := n.clock.Next(n.now.Wall, 0)
	if err != nil {
		return err
	}
	n.born, n.boots = born, 1
	b := []byte{metaFormat}
	b = binary.LittleEndian.AppendUint64(b, uint64(n.id))
	b = binary.LittleEndian.AppendUint64(b, uint64(n.born))
	b = appendString(b, n.opts.Cluster)
	n.ops = append(n.ops, Op{Key: keyIdentity, Value: sealMeta(keyIdentity, b)}, n.bootOp(bound))
	if !n.opts.Founder && slices.ContainsFunc(n.opts.Seeds, func(seed string) bool { return seed != n.addr }) {
		n.beginBootstrap()
	}
	return nil
}

func (n *Node) bootOp(bound Timestamp) Op {
	b := []byte{metaFormat}
	b = binary.LittleEndian.AppendUint64(b, n.boots)
	b = binary.LittleEndian.AppendUint64(b, uint64(bound))
	return Op{Key: keyBoot, Value: sealMeta(keyBoot, b)}
}

// stamp issues a timestamp above `above`; a higher clock bound joins the running step's persist, with which everything
// that carries the timestamp becomes visible. A clock that is known to be wrong is not read: linearizable reads and changes of the
// configuration go on without it, and others would take over its time with their ballots.
func (n *Node) stamp(above Timestamp) (Timestamp, error) {
	wall := n.now.Wall
	if n.clockGuard.off {
		wall = 0
	}
	ts, bound, err := n.clock.Next(wall, above)
	if err == nil && bound != 0 {
		n.ops = append(n.ops, n.bootOp(bound))
		n.boundAfter = n.nextPersist()
	}
	return ts, err
}
