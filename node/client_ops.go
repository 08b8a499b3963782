package node

import (
	"errors"
	"time"
)

// retryAfter is what a refused client is told to wait when waiting may help.
const retryAfter = time.Second

// request runs one client operation.
func (n *Node) request(r *Request) {
	invariant(CheckPath(r.Path) == nil && r.Level != DefaultLevel && len(r.Value) <= ValueBytesHardMax && len(r.ContentType) <= ContentTypeBytesMax,
		"the edge let a bad request in", "path", r.Path, "level", r.Level, "bytes", len(r.Value))
	invariant(r.Condition.Kind == Unconditional || r.Level == Linearizable && r.Op != OpGet, "a condition where none can be kept", "path", r.Path, "level", r.Level)
	if n.bootstrap.active() {
		n.refuse(r, CodeSyncing, "this node is still fetching its data ("+n.bootReason()+"): ask another member")
		return
	}
	if r.Op == OpGet {
		n.counters.Reads++
		switch r.Level {
		case Linearizable:
			n.linearizable(r)
		case Quorum:
			n.readQuorum(r)
		default:
			n.get(r)
		}
		return
	}
	if r.Op == OpPromote || r.Op == OpDemote {
		n.voterRequest(r)
		return
	}
	if r.Op == OpPolicy {
		n.policyRequest(r)
		return
	}
	n.counters.Writes++
	if n.refusesWrite(r) {
		return
	}
	if r.Level != Linearizable && n.strong(r.Path) {
		strong := *r
		strong.Level = Linearizable
		r = &strong
	}
	switch r.Level {
	case Linearizable:
		n.linearizable(r)
	case Quorum:
		n.writeQuorum(r)
	default:
		n.writeEventual(r)
	}
}

// refuse answers a request that was not begun.
func (n *Node) refuse(r *Request, code Code, detail string) {
	resp := Response{ID: r.ID, Code: code, Level: r.Level, Detail: detail}
	if r.Op != OpGet {
		resp.Outcome = OutcomeNotApplied
	}
	if code == CodeReadOnly || code == CodeDiskFull || code == CodeNoQuorum || code == CodeSyncing || code == CodeOverloaded {
		resp.RetryAfter = retryAfter
	}
	n.reply(0, resp)
}

// currentSlot reads a path through the overlay and decodes it.
func (n *Node) currentSlot(path string) (held, Slot, error) {
	h, err := n.current(path)
	if err != nil || h.record == nil {
		return h, Slot{}, err
	}
	slot, err := DecodeSlot(path, h.record)
	return h, slot, err
}

// currentInto is currentSlot into memory that is used again.
func (n *Node) currentInto(s *Slot, path string) error {
	h, err := n.current(path)
	if err != nil || h.record == nil {
		s.clear()
		return err
	}
	return s.Decode(path, h.record)
}

// get reads through the overlay: it may show a write that is not durable yet, and then waits for it.
func (n *Node) get(r *Request) {
	h, slot, err := n.currentSlot(r.Path)
	if err != nil {
		n.refuseRead(r, err)
		return
	}
	resp := Response{ID: r.ID, Code: CodeNotFound, Level: Eventual, Record: n.electorate.Visible(&slot)}
	if resp.Record.Live() {
		resp.Code = CodeOK
	}
	n.reply(h.after, resp)
}

func (n *Node) refuseRead(r *Request, err error) {
	code := CodeStorage
	if errors.Is(err, ErrCorrupt) {
		code = CodeCorrupt
	}
	n.log(LogError, "read failed", "path", r.Path, "error", err.Error())
	n.refuse(r, code, err.Error())
}

// writeEventual answers when the new version is durable here; the other members get it in the background.
func (n *Node) writeEventual(r *Request) {
	if w, ok := n.makeVersion(r); ok {
		n.replicate(r.Path, w.encoded)
		n.reply(w.after, Response{ID: r.ID, Code: w.code, Level: Eventual, Record: w.record})
	}
}

// written is a version that this member has made.
type written struct {
	record  Record
	encoded []byte
	after   PersistID
	code    Code
}

// makeVersion stores a version above everything this node holds on the path, or refuses the request.
func (n *Node) makeVersion(r *Request) (w written, ok bool) {
	_, held, err := n.currentSlot(r.Path)
	switch {
	case errors.Is(err, ErrCorrupt):
		// The write replaces what cannot be read any more; its timestamp is the clock's alone.
		n.log(LogError, "overwriting a corrupt record", "path", r.Path, "error", err.Error())
		held = Slot{Consensus: &Consensus{Blind: true}}
	case err != nil:
		n.refuseRead(r, err)
		return w, false
	}
	ts, err := n.stamp(held.Top())
	if err != nil {
		n.refuse(r, CodeClock, err.Error())
		return w, false
	}
	w = written{record: Record{TS: ts, UUID: n.newUUID(), Origin: n.id, Tombstone: r.Op == OpDelete}, code: CodeOK}
	if r.Op == OpPut {
		w.record.ContentType, w.record.Value = r.ContentType, r.Value
		w.record.setTTL(r.TTL)
		if old := n.electorate.Visible(&held); !old.Live() {
			w.code = CodeCreated
		}
	}
	slot := SlotOf(&w.record)
	slot.Consensus = held.Consensus
	w.encoded = EncodeSlot(r.Path, &slot)
	w.after = n.write(r.Path, w.encoded)
	return w, true
}

// newUUID draws a UUID, version 4 of RFC 9562 section 5.4.
func (n *Node) newUUID() UUID {
	var u UUID
	a, b := n.rng.Uint64(), n.rng.Uint64()
	for i := range 8 {
		u[i], u[8+i] = byte(a>>(8*i)), byte(b>>(8*i))
	}
	u[6] = u[6]&0x0f | 0x40
	u[8] = u[8]&0x3f | 0x80
	return u
}
