package quorum

import (
	"errors"

	"kvs/node/codec"
	"kvs/node/contract"
	"kvs/node/slot"
)

// The eventual level, and the code shared with the quorum level that makes a new version.

// get reads through the overlay: it may show a write that is not durable yet, and then waits for it.
func (m *Machine) get(r *contract.Request) {
	h, slot, err := m.CurrentSlot(r.Path)
	if err != nil {
		m.refuseRead(r, err)
		return
	}
	resp := contract.Response{ID: r.ID, Code: contract.CodeNotFound, Level: contract.Eventual}
	resp.Record = m.Electorate.Visible(&slot)
	if resp.Record.Live() {
		resp.Code = contract.CodeOK
	}
	m.Reply(h.After, resp)
}

func (m *Machine) refuseRead(r *contract.Request, err error) {
	code := contract.CodeStorage
	if errors.Is(err, codec.ErrCorrupt) {
		code = contract.CodeCorrupt
	}
	m.Log(contract.LogError, "read failed", "path", r.Path, "error", err.Error())
	m.Refuse(r, code, err.Error())
}

// writeEventual answers when the new version is durable here; the other members get it in the background.
func (m *Machine) writeEventual(r *contract.Request) {
	if w, ok := m.makeVersion(r); ok {
		m.owner.Replicate(r.Path, w.stored.Record)
		m.Reply(w.after, contract.Response{ID: r.ID, Code: w.code, Level: contract.Eventual, Record: w.record})
	}
}

// written is a version that this member has made.
type written struct {
	record slot.Record
	stored slot.Stored
	after  contract.PersistID
	code   contract.Code
}

// makeVersion stores a version above everything this node holds on the path, or refuses the request.
func (m *Machine) makeVersion(r *contract.Request) (w written, ok bool) {
	w, code, err := m.version(r)
	switch {
	case code == contract.CodeClock:
		m.Refuse(r, code, err.Error())
	case err != nil:
		m.refuseRead(r, err)
	}
	return w, err == nil
}

// version is makeVersion without the answer. The code is that of an error about the clock, and zero for others.
func (m *Machine) version(r *contract.Request) (w written, code contract.Code, err error) {
	_, held, err := m.CurrentSlot(r.Path)
	switch {
	case errors.Is(err, codec.ErrCorrupt):
		// The write replaces a record that cannot be read. Its timestamp comes from the clock; it is above a tombstone.
		m.Log(contract.LogError, "overwriting a corrupt record", "path", r.Path, "error", err.Error())
		held = m.owner.Left(r.Path)
	case err != nil:
		return w, 0, err
	}
	ts, err := m.Stamp(held.Top())
	if err != nil {
		return w, contract.CodeClock, err
	}
	w.code = contract.CodeOK
	w.record = slot.Record{TS: ts, UUID: m.NewUUID(), Origin: m.Self, Tombstone: r.Op == contract.OpDelete}
	if r.Op == contract.OpPut {
		w.record.ContentType, w.record.Value = r.ContentType, r.Value
		w.record.SetTTL(r.TTL)
		if old := m.Electorate.Visible(&held); !old.Live() {
			w.code = contract.CodeCreated
		}
	}
	made := slot.Of(&w.record)
	made.Consensus = held.Consensus
	w.stored = slot.Store(r.Path, &made, m.Electorate)
	w.after = m.owner.Write(r.Path, w.stored)
	return w, 0, nil
}
