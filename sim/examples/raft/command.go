package raft

import (
	"encoding/binary"
	"errors"
	"fmt"

	"kvs/sim"
)

// Kind is the kind of a request.
type Kind uint8

// The kinds of request. Get is read through ReadIndex and never enters the log; the others do.
const (
	Get Kind = iota + 1
	Put      // writes Value, whatever the register held.
	CAS      // writes Value if the register holds exactly Expect, or nothing with ExpectAbsent.
)

var kindNames = [...]string{"", "get", "put", "cas"}

func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// Command is a request of a client. Session and Seq name it for ever: a client without an answer sends the same command
// again, and it is applied at most once (Ongaro 2014, section 6.3). A client has one command at a time, with a higher
// Seq each time.
type Command struct {
	Kind         Kind
	Session, Seq uint64
	Key, Value   string
	Expect       string
	ExpectAbsent bool
}

// Status is the outcome of a command.
type Status uint8

// The statuses. Refused means that this attempt certainly did nothing and never will; after Unknown it may have been
// applied.
const (
	Done Status = iota + 1
	Refused
	Unknown
)

// Result answers a command.
type Result struct {
	Status  Status
	Applied bool   // of Put and CAS: the register was written.
	Found   bool   // of Get, and of CAS that was not applied: the register held something,
	Value   string // namely this.
	Detail  string // for people.
}

// Hash implements sim.Hasher.
func (res *Result) Hash(h *sim.Hash) {
	var w writer
	w.result(res)
	h.Bytes(w.b)
}

// encodingVersion is the first byte of every command, result and snapshot. Other versions are refused.
const encodingVersion = 1

var errShort = errors.New("it ends too early")

// writer and reader encode fields one after another: numbers as unsigned varints, texts with their lengths before them.
type writer struct{ b []byte }

func (w *writer) number(n uint64) { w.b = binary.AppendUvarint(w.b, n) }

func (w *writer) flag(f bool) {
	if f {
		w.number(1)
	} else {
		w.number(0)
	}
}

func (w *writer) text(s string) {
	w.number(uint64(len(s)))
	w.b = append(w.b, s...)
}

type reader struct {
	b   []byte
	err error
}

func (r *reader) number() uint64 {
	n, size := binary.Uvarint(r.b)
	if size <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[size:]
	return n
}

func (r *reader) flag() bool { return r.number() != 0 }

func (r *reader) text() string {
	n := r.number()
	if n > uint64(len(r.b)) {
		r.fail()
		return ""
	}
	s := string(r.b[:n])
	r.b = r.b[n:]
	return s
}

// count reads the number of items that follow, each at least one byte long.
func (r *reader) count() int {
	n := r.number()
	if n > uint64(len(r.b)) {
		r.fail()
		return 0
	}
	return int(n)
}

func (r *reader) fail() {
	if r.err == nil {
		r.err = errShort
	}
	r.b = nil
}

func (r *reader) version() {
	if v := r.number(); r.err == nil && v != encodingVersion {
		r.err = fmt.Errorf("version %d, want %d", v, encodingVersion)
	}
}

// end returns the first error, or that bytes are left over.
func (r *reader) end(what string) error {
	if r.err == nil && len(r.b) > 0 {
		r.err = fmt.Errorf("%d bytes too many", len(r.b))
	}
	if r.err != nil {
		return fmt.Errorf("%s: %w", what, r.err)
	}
	return nil
}

// Encode appends c to b.
func (c *Command) Encode(b []byte) []byte {
	w := writer{b}
	w.number(encodingVersion)
	w.number(uint64(c.Kind))
	w.number(c.Session)
	w.number(c.Seq)
	w.text(c.Key)
	w.text(c.Value)
	w.text(c.Expect)
	w.flag(c.ExpectAbsent)
	return w.b
}

// DecodeCommand reads what Encode wrote.
func DecodeCommand(b []byte) (c Command, err error) {
	r := reader{b: b}
	r.version()
	c.Kind = Kind(r.number())
	c.Session, c.Seq = r.number(), r.number()
	c.Key, c.Value, c.Expect = r.text(), r.text(), r.text()
	c.ExpectAbsent = r.flag()
	return c, r.end("command")
}

func (w *writer) result(res *Result) {
	w.number(uint64(res.Status))
	w.flag(res.Applied)
	w.flag(res.Found)
	w.text(res.Value)
	w.text(res.Detail)
}

func (r *reader) result() (res Result) {
	res.Status = Status(r.number())
	res.Applied, res.Found, res.Value = r.flag(), r.flag(), r.text()
	res.Detail = r.text()
	return res
}
