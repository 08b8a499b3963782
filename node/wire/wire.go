// Package wire is the wire format between members: the envelope around every message, the table of the kinds of
// messages with their bodies and encodings, and the stamps that order the messages of one member.
//
// It makes no decisions, and depends on no node: a machine registers the kinds of messages that it takes in, see
// step.Handler. Begin with the layout of the envelope below, then read table.go. A codec file (*_codec.go) holds
// everything about its messages: kinds, names, layouts, bodies.
package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"kvs/node/codec"
	"kvs/node/slot"
)

// Every datagram and frame is one envelope, version 2. Integers are little-endian.
//
//	0      wire version, 2
//	1      kind
//	2-5    cluster: FNV-1a of its name
//	6-9    founding: a tag of the configuration's founding, zero when the sender knows of none. See Shared.Founded in
//	       node/step
//	10-17  sender's ID
//	18-25  stamp: rises with every envelope that this sender seals, restarts included, see Stamp
//	26-    body: the layouts are in the codec files, *_codec.go
//	last 4 seal: CRC-32C over everything before
//
// A message of an unknown version or kind is dropped and counted: a newer member has to send the older version until
// all members understand the newer one. Version 1, without a founding, was in no release.
const (
	Version       = 2
	HeaderBytes   = 26
	EnvelopeBytes = HeaderBytes + 4
)

// FrameBytesMax bounds a frame: one slot of the largest size and what surrounds it.
const FrameBytesMax = slot.RecordBytesMax + 64<<10

// Body is what a message carries between the header of its envelope and the seal. Decode gets the whole body and
// refuses invalid content, with an error that wraps codec.ErrBadMessage; the decoded fields share body's memory, unless
// its comment says otherwise.
type Body interface {
	Room() int // about how many bytes Append adds.
	Append(b []byte) []byte
	Decode(body []byte) error
	Describe() string // in words, for people who read a recorded run; empty: the kind is enough.
}

var ErrOtherCluster = errors.New("message of another cluster")

func ClusterHash(name string) uint32 {
	h := uint32(2166136261)
	for i := range len(name) {
		h = (h ^ uint32(name[i])) * 16777619
	}
	return h
}

// ReadFounding reads the tag of the sender's founding from an envelope that Open has accepted.
func ReadFounding(b []byte) uint32 { return binary.LittleEndian.Uint32(b[6:]) }

// ReadStamp reads the stamp of an envelope that Open has accepted.
func ReadStamp(b []byte) Stamp { return Stamp(binary.LittleEndian.Uint64(b[18:])) }

// ReadSum reads the seal of an envelope.
func ReadSum(b []byte) uint32 { return binary.LittleEndian.Uint32(b[len(b)-4:]) }

// Seal completes a buffer of step.Shared.Begin.
func Seal(b []byte) []byte {
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, codec.Castagnoli))
}

// Open checks the seal and returns the content; body shares b's memory.
func Open(b []byte, cluster uint32) (kind Kind, from slot.ID, body []byte, err error) {
	if len(b) < EnvelopeBytes || len(b) > FrameBytesMax {
		return 0, 0, nil, fmt.Errorf("%w: %d bytes", codec.ErrBadMessage, len(b))
	}
	inner, seal := b[:len(b)-4], binary.LittleEndian.Uint32(b[len(b)-4:])
	switch {
	case crc32.Checksum(inner, codec.Castagnoli) != seal:
		return 0, 0, nil, fmt.Errorf("%w: broken seal", codec.ErrBadMessage)
	case inner[0] != Version:
		return 0, 0, nil, fmt.Errorf("%w: wire version %d", codec.ErrBadMessage, inner[0])
	case binary.LittleEndian.Uint32(inner[2:]) != cluster:
		return 0, 0, nil, ErrOtherCluster
	}
	from = slot.ID(binary.LittleEndian.Uint64(inner[10:]))
	if from == 0 {
		return 0, 0, nil, fmt.Errorf("%w: no sender", codec.ErrBadMessage)
	}
	return Kind(inner[1]), from, inner[HeaderBytes:], nil
}

// FrameContent is a frame without the parts that differ each time it is sealed: the stamp of its envelope and the seal.
func FrameContent(frame []byte) []byte {
	if len(frame) < EnvelopeBytes {
		return frame
	}
	return append(append([]byte(nil), frame[:18]...), frame[HeaderBytes:len(frame)-4]...)
}
