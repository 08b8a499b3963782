package recorder

import (
	"encoding/binary"
	"time"

	"kvs/node"
	"kvs/node/codec"
)

// fields reads the fields of records.
type fields struct{ *codec.Reader }

func (r *fields) number() uint64 {
	u, n := binary.Uvarint(r.Rest())
	if n <= 0 {
		r.Fail()
		return 0
	}
	r.Take(n)
	return u
}

// count is how many items of at least one byte follow.
func (r *fields) count() int {
	u := r.number()
	if u > uint64(r.Len()) {
		r.Fail()
		return 0
	}
	return int(u)
}

func (r *fields) bytes() []byte { return r.Take(r.count()) }

func (r *fields) text() string { return string(r.bytes()) }

func (r *fields) texts() []string {
	n := r.count()
	var out []string
	for range n {
		out = append(out, r.text())
	}
	return out
}

func (r *fields) time() node.Time {
	return node.Time{Wall: int64(r.number()), Mono: time.Duration(r.number())}
}

func appendBytes(b, s []byte) []byte { return append(binary.AppendUvarint(b, uint64(len(s))), s...) }

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendTexts(b []byte, all []string) []byte {
	b = binary.AppendUvarint(b, uint64(len(all)))
	for _, s := range all {
		b = appendText(b, s)
	}
	return b
}

func appendTime(b []byte, t node.Time) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(b, uint64(t.Wall)), uint64(t.Mono))
}

// optional marks nil: a nil slice and an empty one are different values of a request.
func (r *fields) optional() []byte {
	if !r.Bool() {
		return nil
	}
	return append([]byte{}, r.bytes()...)
}

func appendOptional(b, s []byte) []byte {
	b = codec.AppendBool(b, s != nil)
	if s != nil {
		b = appendBytes(b, s)
	}
	return b
}
