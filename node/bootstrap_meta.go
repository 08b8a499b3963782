package node

import (
	"encoding/binary"
	"fmt"
)

// How far a bootstrap has come, under m/bootstrap, sealed like everything there; absent when none is under way. It is written
// with the records of each page, in one persist.
//
//	phase u8 (1 waiting, 2 pulling, 3 comparing), serving u8, keys u64, bytes u64      done so far
//	band u32, from (16-bit length and bytes)                                           where the next page begins
//	keys u64, bytes u64, count u32, {bound u64}                                         the plan
const keyBootstrap = BootstrapKey

// BootstrapKey is the store key of that record, for those who watch a store from outside.
const BootstrapKey = prefixMeta + "bootstrap"

// BootstrapProgress reads from that record how many keys have been pulled.
func BootstrapProgress(value []byte) (keys uint64, err error) {
	r, err := openMeta(BootstrapKey, value)
	if err != nil {
		return 0, err
	}
	r.u8()
	r.u8()
	return r.u64(), nil
}

// bootPlan says what there is to pull: about how much, and the bands. Band i holds the slots whose timestamp is at least
// bounds[i] and below bounds[i-1]; bounds fall, and the last one is zero. Nothing is above band 0, whose upper end is open: what is
// written meanwhile comes by replication as well.
type bootPlan struct {
	keys, bytes uint64
	bounds      []Timestamp
}

// bootBandsMax bounds a plan.
const bootBandsMax = 16

// band returns the timestamps of a band: lo <= ts, and ts < hi unless hi is zero.
func (p *bootPlan) band(i int) (lo, hi Timestamp) {
	if i > 0 {
		hi = p.bounds[i-1]
	}
	return p.bounds[i], hi
}

// valid reports whether the bounds fall and end with zero.
func (p *bootPlan) valid() bool {
	for i := 1; i < len(p.bounds); i++ {
		if p.bounds[i] >= p.bounds[i-1] {
			return false
		}
	}
	return len(p.bounds) > 0 && p.bounds[len(p.bounds)-1] == 0
}

// bootCursor is how far it has come.
type bootCursor struct {
	keys, bytes uint64
	band        int
	from        string // the next page begins here.
}

// advance moves to where a page ended; empty: at the end of the band.
func (c *bootCursor) advance(next string) {
	c.from = next
	if next == "" {
		c.band++
	}
}

// noteBootstrap writes down how far it has come, with whatever else the running step persists.
func (n *Node) noteBootstrap() {
	b := &n.bootstrap
	serving := byte(0)
	if b.serving {
		serving = 1
	}
	v := []byte{metaFormat, byte(b.phase), serving}
	v = binary.LittleEndian.AppendUint64(v, b.cursor.keys)
	v = binary.LittleEndian.AppendUint64(v, b.cursor.bytes)
	v = binary.LittleEndian.AppendUint32(v, uint32(b.cursor.band))
	v = appendString(v, b.cursor.from)
	v = appendPlan(v, &b.plan)
	n.ops = append(n.ops, Op{Key: keyBootstrap, Value: sealMeta(keyBootstrap, v)})
}

func appendPlan(b []byte, p *bootPlan) []byte {
	b = binary.LittleEndian.AppendUint64(b, p.keys)
	b = binary.LittleEndian.AppendUint64(b, p.bytes)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(p.bounds)))
	for _, ts := range p.bounds {
		b = binary.LittleEndian.AppendUint64(b, uint64(ts))
	}
	return b
}

func (r *wireReader) plan() (p bootPlan) {
	p.keys, p.bytes = r.u64(), r.u64()
	for range r.count(bootBandsMax, 8) {
		p.bounds = append(p.bounds, Timestamp(r.u64()))
	}
	return p
}

// recoverBootstrap goes on where a former run stopped, if it did.
func (n *Node) recoverBootstrap() error {
	r, err := n.readMeta(keyBootstrap)
	if err != nil {
		return fmt.Errorf("recover bootstrap: %w", err)
	}
	if r == nil {
		return nil
	}
	b := &n.bootstrap
	b.phase = bootPhase(r.u8())
	b.serving = r.u8() == 1
	b.cursor.keys, b.cursor.bytes = r.u64(), r.u64()
	b.cursor.band, b.cursor.from = int(r.u32()), r.bound()
	b.plan = r.plan()
	unplanned := b.phase == bootWaiting && b.plan.bounds == nil
	planned := b.plan.valid() && (b.phase == bootPulling && b.cursor.band < len(b.plan.bounds) || b.phase == bootComparing)
	if r.end() != nil || !unplanned && !planned {
		return fmt.Errorf("recover bootstrap: impossible content: %w", ErrCorrupt)
	}
	b.resumed = b.phase != bootWaiting
	n.startBootstrap()
	return nil
}
