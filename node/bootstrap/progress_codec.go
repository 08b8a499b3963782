package bootstrap

import (
	"encoding/binary"
	"fmt"

	"kvs/node/codec"
	"kvs/node/contract"
	"kvs/node/schema"
	"kvs/node/slot"
	"kvs/node/wire"
)

// The progress of a bootstrap, under m/bootstrap, sealed like everything there; absent when none is under way. It is
// written with the records of each page, in one persist.
//
//	phase u8 (1 waiting, 2 pulling, 3 comparing), serving u8, keys u64, bytes u64      done so far
//	band u32, from (16-bit length and bytes)                                           where the next page begins
//	keys u64, bytes u64, count u32, {bound u64}                                         the plan

// Progress reads from that record how many keys have been pulled.
func Progress(value []byte) (keys uint64, err error) {
	r, err := schema.Open(schema.KeyBootstrap, value)
	if err != nil {
		return 0, err
	}
	r.U8()
	r.U8()
	return r.U64(), nil
}

// cursor is the progress of a bootstrap.
type cursor struct {
	keys, bytes uint64
	band        int
	from        string // the next page begins here.
}

// advance moves to where a page ended; empty: at the end of the band.
func (c *cursor) advance(next string) {
	c.from = next
	if next == "" {
		c.band++
	}
}

// note adds the progress to the running step's persist.
func (m *Machine) note() {
	b := &m.newcomer
	serving := byte(0)
	if b.serving {
		serving = 1
	}
	v := []byte{schema.Format, byte(b.phase), serving}
	v = binary.LittleEndian.AppendUint64(v, b.cursor.keys)
	v = binary.LittleEndian.AppendUint64(v, b.cursor.bytes)
	v = binary.LittleEndian.AppendUint32(v, uint32(b.cursor.band))
	v = codec.AppendString(v, b.cursor.from)
	v = wire.AppendBands(v, &b.plan)
	m.Changes = append(m.Changes, contract.Change{Key: schema.KeyBootstrap, Value: schema.Seal(schema.KeyBootstrap, v)})
}

// Recover continues the bootstrap of a former run, if there is one.
func (m *Machine) Recover() error {
	r, err := m.ReadMeta(schema.KeyBootstrap)
	if err != nil {
		return fmt.Errorf("recover bootstrap: %w", err)
	}
	if r == nil {
		return nil
	}
	b := &m.newcomer
	b.phase = phase(r.U8())
	b.serving = r.U8() == 1
	b.cursor.keys, b.cursor.bytes = r.U64(), r.U64()
	b.cursor.band, b.cursor.from = int(r.U32()), slot.ReadBound(r)
	b.plan = wire.ReadBands(r)
	unplanned := b.phase == phaseWaiting && b.plan.Bounds == nil
	planned := b.plan.Valid() &&
		(b.phase == phasePulling && b.cursor.band < len(b.plan.Bounds) || b.phase == phaseComparing)
	if r.End() != nil || !unplanned && !planned {
		return fmt.Errorf("recover bootstrap: impossible content: %w", codec.ErrCorrupt)
	}
	b.resumed = b.phase != phaseWaiting
	m.start()
	return nil
}
