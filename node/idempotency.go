package node

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
)

// What was decided under idempotency keys: the semantics are those of the IETF's draft-ietf-httpapi-idempotency-key-header-06,
// section 2. A write under a key that is known is not applied again: it is answered as the first was. The same key with another request is
// refused, whatever became of the first.

// Applied is a write that came with an idempotency key, and what became of it: a later attempt under the same key finds it here
// and is not applied again. Without a UUID it was refused, because its condition was false. The list travels with the accepted record,
// oldest first, and is bounded in number.
type Applied struct {
	Key UUID // of the request: see Request.entry. Those of an early kvs are all of the key's hash.
	Version
}

// appliedMax bounds the list. No clock shortens it: after a clock's jump of an hour a write would be applied twice (scenario
// linearizable, seed 116).
const appliedMax = 64

// keyBytes is how much of the key's hash is kept; the rest of a list's entry tells requests under one key apart.
const keyBytes = 8

// SetKey puts a write under an idempotency key. All other fields have their values: they are what a later attempt must repeat.
func (r *Request) SetKey(key []byte) {
	sum := sha256.Sum256(key)
	copy(r.Key[:], sum[:])
	r.Fingerprint = r.fingerprint()
}

// fingerprint stands for what a write asks for. The path is not in it: lists are kept by path.
func (r *Request) fingerprint() uint64 {
	h := sha256.New()
	head := []byte{1, byte(r.Op), byte(r.Condition.Kind), 0}
	if r.Condition.Any {
		head[3] = 1
	}
	head = binary.LittleEndian.AppendUint64(head, uint64(r.TTL))
	head = binary.LittleEndian.AppendUint32(head, uint32(len(r.Condition.Versions)))
	for _, v := range r.Condition.Versions {
		head = appendVersion(head, v)
	}
	head = binary.LittleEndian.AppendUint32(head, uint32(len(r.ContentType)))
	head = append(head, r.ContentType...)
	h.Write(head)
	h.Write(r.Value)
	return binary.LittleEndian.Uint64(h.Sum(nil))
}

// entry is what a list says for this request: the first half of the key's hash, and the fingerprint.
func (r *Request) entry() UUID {
	e := r.Key
	binary.LittleEndian.PutUint64(e[keyBytes:], r.Fingerprint)
	return e
}

// A list that has lost nothing begins with an entry without a key: all that was decided under keys since its version is on the list. A list
// that was full begins with the oldest of those that are left, which says the same. It matters because the end of a tombstone takes the list
// away: where a path is written anew, a version from before the list's beginning shows that keys may have been forgotten since. The path
// carries this itself, since no member can be asked: one that slept through the end of a tombstone knows nothing of it.

// carry is the list that goes on with the next record, under a ballot of the timestamp given.
func (j *joined) carry(ballot Timestamp) []Applied {
	switch list := j.consensus.list(); {
	case len(list) > 0:
		return list
	case j.current.Exists(): // it is there, and nothing was decided under keys on the way from it to itself.
		return []Applied{{Version: Version{TS: j.current.TS}}}
	}
	return []Applied{{Version: Version{TS: ballot}}}
}

// forgotten reports whether a write under an idempotency key finds another version than it wants, and an earlier attempt may be the reason
// that nobody remembers: the version that is wanted is older than the list. Of a condition that names no version nothing of the kind
// can be said.
func (r *Request) forgotten(j *joined) bool {
	if r.Key.IsZero() || r.Condition.Kind != IfMatch || len(r.Condition.Versions) == 0 || r.Condition.Holds(&j.current) {
		return false
	}
	if len(j.consensus.list()) == 0 && !j.current.Exists() {
		return true
	}
	since := j.carry(0)[0].TS
	return slices.ContainsFunc(r.Condition.Versions, func(v Version) bool { return v.TS < since })
}

// remember returns the list with one write more, without the oldest if it is too long.
func remember(list []Applied, a Applied) []Applied {
	out := make([]Applied, 0, len(list)+1)
	out = append(append(out, list...), a)
	return out[max(0, len(out)-appliedMax):]
}

// list is the writes under idempotency keys. c may be nil.
func (c *Consensus) list() []Applied {
	if c == nil {
		return nil
	}
	return c.Applied
}

// keyUse is what a list knows of a request's key.
type keyUse uint8

const (
	keyNew    keyUse = iota // nothing.
	keyKnown                // an earlier attempt of this request was decided.
	keyReused               // another request was.
)

// applied finds what was decided under the key of a request. c may be nil.
func (c *Consensus) applied(r *Request) (Version, keyUse) {
	if c == nil || r.Key.IsZero() {
		return Version{}, keyNew
	}
	entry, use := r.entry(), keyNew
	for _, a := range c.Applied {
		switch {
		case a.Key == entry || a.Key == r.Key:
			return a.Version, keyKnown
		case slices.Equal(a.Key[:keyBytes], r.Key[:keyBytes]):
			use = keyReused
		}
	}
	return Version{}, use
}
