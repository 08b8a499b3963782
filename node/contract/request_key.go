package contract

import (
	"crypto/sha256"
	"encoding/binary"

	"kvs/node/slot"
)

// KeyBytes is how much of the key's hash is kept; the rest of a list's entry distinguishes requests under one key.
const KeyBytes = 8

// SetKey puts a write under an idempotency key. All other fields must be set before: a later attempt must repeat them.
func (r *Request) SetKey(key []byte) {
	sum := sha256.Sum256(key)
	copy(r.Key[:], sum[:])
	r.Fingerprint = r.fingerprint()
}

// fingerprint is a hash of what a write asks for, without the path: lists are kept by path.
func (r *Request) fingerprint() uint64 {
	h := sha256.New()
	head := []byte{1, byte(r.Op), byte(r.Condition.Kind), 0}
	if r.Condition.Any {
		head[3] = 1
	}
	head = binary.LittleEndian.AppendUint64(head, uint64(r.TTL))
	head = binary.LittleEndian.AppendUint32(head, uint32(len(r.Condition.Versions)))
	for _, v := range r.Condition.Versions {
		head = slot.AppendVersion(head, v)
	}
	head = binary.LittleEndian.AppendUint32(head, uint32(len(r.ContentType)))
	head = append(head, r.ContentType...)
	h.Write(head)
	h.Write(r.Value)
	return binary.LittleEndian.Uint64(h.Sum(nil))
}

// Entry is the list's entry for this request: the first half of the key's hash, and the fingerprint.
func (r *Request) Entry() slot.UUID {
	e := r.Key
	binary.LittleEndian.PutUint64(e[KeyBytes:], r.Fingerprint)
	return e
}
