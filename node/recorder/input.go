package recorder

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"kvs/node"
	"kvs/node/codec"
	"kvs/node/slot"
)

// Inputs are a byte for the kind and their fields:
//
//	1 tick
//	2 datagram       from text, data bytes
//	3 frame          by text, data bytes
//	4 persisted      up to number, error text (empty: none)
//	5 join           addresses
//	6 leave
//	7 set read-only  reason text, on u8
//	8 remove         member u64, force u8
//	9 watching       on u8
//	10 request       see appendRequest
const (
	inTick = iota + 1
	inDatagram
	inFrame
	inPersisted
	inJoin
	inLeave
	inSetReadOnly
	inRemove
	inWatching
	inRequest
)

func appendInput(b []byte, in node.Input) []byte {
	switch in := in.(type) {
	case node.Tick:
		return append(b, inTick)
	case *node.Datagram:
		return appendBytes(appendText(append(b, inDatagram), in.From), in.Data)
	case *node.Frame:
		return appendBytes(appendText(append(b, inFrame), in.By), in.Data)
	case *node.Persisted:
		b = binary.AppendUvarint(append(b, inPersisted), uint64(in.UpTo))
		if in.Err != nil {
			return appendText(b, in.Err.Error())
		}
		return appendText(b, "")
	case *node.Join:
		return appendTexts(append(b, inJoin), in.Addrs)
	case node.Leave:
		return append(b, inLeave)
	case *node.SetReadOnly:
		return codec.AppendBool(appendText(append(b, inSetReadOnly), in.Reason), in.On)
	case *node.Remove:
		b = binary.LittleEndian.AppendUint64(append(b, inRemove), uint64(in.ID))
		return codec.AppendBool(b, in.Force)
	case *node.Watching:
		return codec.AppendBool(append(b, inWatching), in.On)
	case *node.Request:
		return appendRequest(append(b, inRequest), in)
	}
	panic(fmt.Sprintf("kvs: broken invariant: an input that the recorder does not know: %T", in))
}

// appendRequest writes the fields of a request in the order of the type.
func appendRequest(b []byte, q *node.Request) []byte {
	b = binary.AppendUvarint(b, q.ID)
	b = append(b, byte(q.Op), byte(q.Level))
	b = appendText(b, q.Path)
	b = appendOptional(b, q.Value)
	b = appendText(b, q.ContentType)
	b = binary.AppendUvarint(b, uint64(q.TTL))
	b = append(b, byte(q.Condition.Kind))
	b = codec.AppendBool(b, q.Condition.Any)
	b = binary.AppendUvarint(b, uint64(len(q.Condition.Versions)))
	for _, v := range q.Condition.Versions {
		b = binary.LittleEndian.AppendUint64(b, uint64(v.TS))
		b = append(b, v.UUID[:]...)
	}
	b = append(b, q.Key[:]...)
	b = binary.LittleEndian.AppendUint64(b, q.Fingerprint)
	b = binary.AppendUvarint(b, uint64(q.Deadline))
	b = codec.AppendBool(b, q.Strong != nil)
	b = appendTexts(b, q.Strong)
	b = codec.AppendBool(b, q.Hold)
	return binary.AppendUvarint(b, q.Epoch)
}

func (r *fields) request() *node.Request {
	q := &node.Request{ID: r.number(), Op: node.OpKind(r.U8()), Level: node.Level(r.U8()), Path: r.text()}
	q.Value = r.optional()
	q.ContentType, q.TTL = r.text(), time.Duration(r.number())
	q.Condition.Kind, q.Condition.Any = node.ConditionKind(r.U8()), r.Bool()
	for range r.count() {
		v := slot.Version{TS: slot.Timestamp(r.U64())}
		copy(v.UUID[:], r.Take(len(v.UUID)))
		q.Condition.Versions = append(q.Condition.Versions, v)
	}
	copy(q.Key[:], r.Take(len(q.Key)))
	q.Fingerprint, q.Deadline = r.U64(), time.Duration(r.number())
	strong := r.Bool()
	if q.Strong = r.texts(); strong && q.Strong == nil {
		q.Strong = []string{}
	}
	q.Hold, q.Epoch = r.Bool(), r.number()
	return q
}

func (r *fields) input() node.Input {
	switch r.U8() {
	case inTick:
		return node.Tick{}
	case inDatagram:
		return &node.Datagram{From: r.text(), Data: append([]byte{}, r.bytes()...)}
	case inFrame:
		return &node.Frame{By: r.text(), Data: append([]byte{}, r.bytes()...)}
	case inPersisted:
		in := &node.Persisted{UpTo: node.PersistID(r.number())}
		if why := r.text(); why != "" {
			in.Err = errors.New(why)
		}
		return in
	case inJoin:
		return &node.Join{Addrs: r.texts()}
	case inLeave:
		return node.Leave{}
	case inSetReadOnly:
		return &node.SetReadOnly{Reason: r.text(), On: r.Bool()}
	case inRemove:
		return &node.Remove{ID: node.ID(r.U64()), Force: r.Bool()}
	case inWatching:
		return &node.Watching{On: r.Bool()}
	case inRequest:
		return r.request()
	}
	r.Fail()
	return node.Tick{}
}
