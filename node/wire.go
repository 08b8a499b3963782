package node

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// Every datagram and frame is one envelope, version 2. Integers are little-endian.
//
//	0      wire version, 2
//	1      kind
//	2-5    cluster: FNV-1a of its name
//	6-9    founding: a tag of the configuration's founding, zero when the sender knows of none. See foundings.go
//	10-17  sender's ID
//	18-25  stamp: rises with every envelope that this sender seals, restarts included, see stamps.go
//	26-    body, see message.go; of the member-table kind: node/swim's own encoding; of the gossip kind: pulse.go, and
//	       node/swim's encoding
//	last 4 seal: CRC-32C over everything before
//
// A message of an unknown version or kind is dropped and counted, and the sender goes on: a newer member has to speak the
// older version until all members understand the newer one. Version 1, without a founding, was in no release.
const (
	wireVersion    = 2
	envelopeHeader = 26
	envelopeBytes  = envelopeHeader + 4
)

// FrameBytesMax bounds a frame: one slot of the largest size and what surrounds it.
const FrameBytesMax = RecordBytesMax + 64<<10

type msgKind uint8

const (
	msgGossip       msgKind = 1 // datagram: pulse.go, node/swim
	msgMemberTable  msgKind = 2 // frame: node/swim's full state exchange
	msgReplicate    msgKind = 3
	msgReplicateAck msgKind = 4
	// 5 and 6 were comparisons page by page.
	msgSyncPull   msgKind = 7
	msgTreeAsk    msgKind = 8
	msgTreeAnswer msgKind = 9
	msgLeafAsk    msgKind = 10
	msgLeafAnswer msgKind = 11
	// 12 to 15 are kept for comparisons.
	// 16 to 19 were the quorum level's questions and answers without an epoch.
	msgStore   msgKind = 20
	msgStored  msgKind = 21
	msgFetch   msgKind = 22
	msgFetched msgKind = 23

	msgConfigAsk msgKind = 40
	msgConfigIs  msgKind = 41
	msgPrepare   msgKind = 42
	msgLook      msgKind = 43
	msgPromised  msgKind = 44
	msgAccept    msgKind = 45
	msgAccepted  msgKind = 46

	msgEpoch      msgKind = 47
	msgPassedAsk  msgKind = 48
	msgPassedIs   msgKind = 49
	msgCatchRange msgKind = 50
	msgCatchKeys  msgKind = 51
	msgCatchPull  msgKind = 52
	msgCatchSlots msgKind = 53
	msgAdoptedAsk msgKind = 54
	msgAdoptedIs  msgKind = 55
	msgWordAsk    msgKind = 56
	msgWord       msgKind = 57
	msgWordBack   msgKind = 58
	msgHello      msgKind = 24 // bootstrap_messages.go
	msgPlanAsk    msgKind = 25
	msgPlan       msgKind = 26
	msgPageAsk    msgKind = 27
	msgPage       msgKind = 28

	// 30 to 35 are kept for the end of tombstones.
	msgGoneAsk    msgKind = 30
	msgGoneAnswer msgKind = 31
	msgGoneWord   msgKind = 32
)

// compares reports whether messages of this kind belong to the comparison of two members.
func (k msgKind) compares() bool { return k >= msgSyncPull && k < 16 }

// ErrBadMessage is wrapped by every decoding error.
var ErrBadMessage = errors.New("bad message")

var errOtherCluster = errors.New("message of another cluster")

func clusterHash(name string) uint32 {
	h := uint32(2166136261)
	for i := range len(name) {
		h = (h ^ uint32(name[i])) * 16777619
	}
	return h
}

// beginEnvelope returns a buffer with room for bodyBytes, holding the header with a stamp of its own. What goes into the body
// must have been read in this same step: see stamps.go.
func (n *Node) beginEnvelope(kind msgKind, bodyBytes int) []byte {
	b := make([]byte, 0, envelopeBytes+bodyBytes)
	b = append(b, wireVersion, byte(kind))
	b = binary.LittleEndian.AppendUint32(b, n.cluster)
	b = binary.LittleEndian.AppendUint32(b, n.founded)
	b = binary.LittleEndian.AppendUint64(b, uint64(n.id))
	return binary.LittleEndian.AppendUint64(b, uint64(n.nextStamp()))
}

// envelopeFounding reads the tag of the sender's founding from an envelope that openEnvelope has accepted.
func envelopeFounding(b []byte) uint32 { return binary.LittleEndian.Uint32(b[6:]) }

// envelopeStamp reads the stamp of an envelope that openEnvelope has accepted.
func envelopeStamp(b []byte) Stamp { return Stamp(binary.LittleEndian.Uint64(b[18:])) }

// sealEnvelope closes what beginEnvelope opened.
func sealEnvelope(b []byte) []byte {
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// openEnvelope checks the seal and returns what is inside; body shares b's memory.
func openEnvelope(b []byte, cluster uint32) (kind msgKind, from ID, body []byte, err error) {
	if len(b) < envelopeBytes || len(b) > FrameBytesMax {
		return 0, 0, nil, fmt.Errorf("%w: %d bytes", ErrBadMessage, len(b))
	}
	inner, seal := b[:len(b)-4], binary.LittleEndian.Uint32(b[len(b)-4:])
	switch {
	case crc32.Checksum(inner, castagnoli) != seal:
		return 0, 0, nil, fmt.Errorf("%w: broken seal", ErrBadMessage)
	case inner[0] != wireVersion:
		return 0, 0, nil, fmt.Errorf("%w: wire version %d", ErrBadMessage, inner[0])
	case binary.LittleEndian.Uint32(inner[2:]) != cluster:
		return 0, 0, nil, errOtherCluster
	}
	from = ID(binary.LittleEndian.Uint64(inner[10:]))
	if from == 0 {
		return 0, 0, nil, fmt.Errorf("%w: no sender", ErrBadMessage)
	}
	return msgKind(inner[1]), from, inner[envelopeHeader:], nil
}

// wireReader reads a body front to back. After a read beyond the end it is bad and every further read gives zero values, so
// that decoders check once, at their end.
type wireReader struct {
	b   []byte
	bad bool
}

func (r *wireReader) take(n int) []byte {
	if r.bad || n < 0 || n > len(r.b) {
		r.bad = true
		return nil
	}
	out := r.b[:n:n]
	r.b = r.b[n:]
	return out
}

func (r *wireReader) u8() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *wireReader) u16() uint16 {
	if b := r.take(2); b != nil {
		return binary.LittleEndian.Uint16(b)
	}
	return 0
}

func (r *wireReader) u32() uint32 {
	if b := r.take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (r *wireReader) u64() uint64 {
	if b := r.take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

// count reads how many items follow and refuses more than itemsMax or than could fit, so that a short hostile message
// cannot make us allocate.
func (r *wireReader) count(itemsMax, itemBytesMin int) int {
	n := int(r.u32())
	if n < 0 || n > itemsMax || n*itemBytesMin > len(r.b) {
		r.bad = true
		return 0
	}
	return n
}

// path reads a path that CheckPath accepts.
func (r *wireReader) path() string {
	p := string(r.take(int(r.u16())))
	if !r.bad && CheckPath(p) != nil {
		r.bad = true
	}
	return p
}

// bound reads an edge of a key range. Unlike a path it need not be a valid one.
func (r *wireReader) bound() string {
	n := int(r.u16())
	if n > PathBytesMax+1 {
		r.bad = true
	}
	return string(r.take(n))
}

func (r *wireReader) version() Version {
	return Version{TS: Timestamp(r.u64()), UUID: r.uuid()}
}

func (r *wireReader) uuid() UUID {
	if b := r.take(len(UUID{})); b != nil {
		return UUID(b)
	}
	return UUID{}
}

// end says whether everything was read, and nothing was missing.
func (r *wireReader) end() error {
	if r.bad || len(r.b) != 0 {
		return fmt.Errorf("%w: lengths do not add up", ErrBadMessage)
	}
	return nil
}

func appendString(b []byte, s string) []byte {
	invariant(len(s) <= PathBytesMax+1, "a string too long for the wire", "bytes", len(s))
	b = binary.LittleEndian.AppendUint16(b, uint16(len(s)))
	return append(b, s...)
}

func appendVersion(b []byte, v Version) []byte {
	b = binary.LittleEndian.AppendUint64(b, uint64(v.TS))
	return append(b, v.UUID[:]...)
}

// FrameContent is a frame without what differs each time it is sent: the stamp of its envelope and the seal.
func FrameContent(frame []byte) []byte {
	if len(frame) < envelopeBytes {
		return frame
	}
	return append(append([]byte(nil), frame[:18]...), frame[envelopeHeader:len(frame)-4]...)
}

// FrameName says in words what a frame is, for traces.
func FrameName(frame []byte) string {
	if len(frame) < envelopeBytes {
		return "nothing"
	}
	switch msgKind(frame[1]) {
	case msgReplicate:
		return "replicate"
	case msgStore:
		return "store"
	case msgStored:
		return "stored"
	case msgFetch:
		return "fetch"
	case msgFetched:
		return "fetched"
	case msgPrepare:
		return "prepare"
	case msgLook:
		return "look"
	case msgPromised:
		return "promised"
	case msgAccept:
		return "accept"
	case msgAccepted:
		return "accepted"
	}
	return fmt.Sprintf("kind %d", frame[1])
}

// OfOperation reports whether a frame belongs to a client operation or carries its result: for worlds that treat those differently
// from the upkeep of the cluster. It looks at the kind alone, not at the seal.
func OfOperation(frame []byte) bool {
	if len(frame) < envelopeBytes {
		return false
	}
	switch msgKind(frame[1]) {
	case msgReplicate, msgStore, msgStored, msgFetch, msgFetched, msgPrepare, msgLook, msgPromised, msgAccept, msgAccepted:
		return true
	}
	return false
}
