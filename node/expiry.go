package node

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"time"
)

// The expiry of values. A value may say how long it lives. Its end is a delete like others, made by the members themselves, so every
// level and every comparison sees it as one, and its space is given back like that of others.
//
// When it ends is measured, not read off a clock: a member lets a value go when it has held it, while running, for as long as the
// value lives. That is never too early: the value was written no later than it arrived here. No clock that jumps by an hour can
// make it early, and none that went back can keep it for ever. It may be late by the time that members were down, and a member
// that crashes forgets up to expiryClockInterval of its running time. Record.Expires, in hybrid time, is for people and carries
// the length of life.
//
// The member that made a value ends it; the others wait expiryPatience longer, in case it is gone. All make the very same tombstone:
// one step above the value's own version, so that whatever was written after the value wins over it, however late it arrives. The next
// write of the same member may have just that timestamp, when its clock stands still: the end counts as lower than any write that has it, see compareEventual.
// What a linearizable operation wrote is ended by a linearizable compare-and-set.
type expiry struct {
	base   uint64        // running time of former runs, milliseconds.
	stored uint64        // on disk.
	next   time.Duration // when the index is looked at next.
	cursor string
}

const (
	expirySweep         = time.Second // between looks at the index.
	expiryScanMax       = 1024        // index entries looked at in one step.
	expiryPatience      = 5 * time.Second
	expiryClockInterval = 10 * time.Second
	expiryNever         = time.Duration(1<<63 - 1)
)

// The record x/PATH says since when this member has held a value that expires. Integers are little-endian.
//
//	0      format version, 1
//	1-8    timestamp of the version, 9-24 its UUID
//	25-32  running time of this member when it came, milliseconds
//	33-40  how long the value lives, milliseconds
//
// An entry of another length or format is dropped: the next write of the path makes a new one. m/uptime is format u8 and u64 the
// running time in milliseconds, sealed like its neighbours.
const (
	expiryFormat = 1
	expiryBytes  = 41
	keyUptime    = prefixMeta + "uptime"
)

// expiryEntry is one line of the index.
type expiryEntry struct {
	path    string
	version Version
	since   uint64
	life    uint64
}

func (e *expiryEntry) encode() []byte {
	b := appendVersion([]byte{expiryFormat}, e.version)
	b = binary.LittleEndian.AppendUint64(b, e.since)
	return binary.LittleEndian.AppendUint64(b, e.life)
}

func decodeExpiry(path string, b []byte) (e expiryEntry, ok bool) {
	if len(b) != expiryBytes || b[0] != expiryFormat {
		return e, false
	}
	r := wireReader{b: b[1:]}
	e = expiryEntry{path: path, version: r.version(), since: r.u64(), life: r.u64()}
	return e, r.end() == nil
}

// life is how long a record lives, in milliseconds; zero: for ever.
func (r *Record) life() uint64 {
	if r.Expires == 0 {
		return 0
	}
	return uint64(max(r.Expires-r.TS.Wall(), 1))
}

// setTTL gives a record that has its timestamp an end.
func (r *Record) setTTL(ttl time.Duration) {
	if ttl > 0 && !r.Tombstone {
		r.Expires = r.TS.Wall() + max(ttl.Milliseconds(), 1)
	}
}

// Bounds of the life of a value, and ParseTTL, which reads one: whole seconds, or a duration such as 90m.
const (
	TTLMin = time.Second
	TTLMax = 100 * 365 * 24 * time.Hour
)

// ParseTTL reads how long a value is to live.
func ParseTTL(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if seconds, notWhole := strconv.ParseUint(text, 10, 32); notWhole == nil {
		d, err = time.Duration(seconds)*time.Second, nil
	}
	if err != nil || d < TTLMin || d > TTLMax {
		return 0, fmt.Errorf("%.100q is no time to live: write whole seconds, or a duration such as 90m, from %v to %v", text, TTLMin, TTLMax)
	}
	return d, nil
}

// recoverExpiry reads how long this member has been running in all.
func (n *Node) recoverExpiry() error {
	r, err := n.readMeta(keyUptime)
	if err != nil || r == nil {
		return err
	}
	n.expiry.base = r.u64()
	n.expiry.stored = n.expiry.base
	if r.end() != nil {
		return fmt.Errorf("recover running time: impossible content: %w", ErrCorrupt)
	}
	return nil
}

// runningTime is how long this member has been running, all runs together, in milliseconds.
func (n *Node) runningTime() uint64 {
	return n.expiry.base + uint64((n.now.Mono - n.started).Milliseconds())
}

// keepRunningTime stores the running time, in the running step's persist, when what is stored is old.
func (n *Node) keepRunningTime() {
	now := n.runningTime()
	if now < n.expiry.stored+uint64(expiryClockInterval.Milliseconds()) {
		return
	}
	n.expiry.stored = now
	n.ops = append(n.ops, Op{Key: keyUptime, Value: sealMeta(keyUptime, binary.LittleEndian.AppendUint64([]byte{metaFormat}, now))})
}

// noteExpiry lists a slot that shows a value which expires. A version that is stored once more, because something else in its
// slot changed, keeps its first entry.
func (n *Node) noteExpiry(path string, record []byte) {
	if !encodedExpires(path, record) {
		return
	}
	slot, err := DecodeSlot(path, record)
	if err != nil {
		return
	}
	rec := n.electorate.Visible(&slot)
	if !rec.Live() || rec.Expires == 0 {
		return
	}
	key := prefixExpiry + path
	if b, found, err := n.store.Get(key); err == nil && found {
		if old, ok := decodeExpiry(path, b); ok && old.version == rec.Version() {
			return
		}
	}
	e := expiryEntry{path: path, version: rec.Version(), since: n.runningTime(), life: rec.life()}
	n.ops = append(n.ops, Op{Key: key, Value: e.encode()})
	n.keepRunningTime() // with the entry: nothing may have waited for its end for long, so that no look has stored it.
	n.expiry.next = min(n.expiry.next, n.now.Mono+expirySweep)
}

// tickExpiry looks at a part of the index.
func (n *Node) tickExpiry() {
	x := &n.expiry
	if n.now.Mono < x.next {
		return
	}
	x.next = n.now.Mono + expirySweep
	if n.bootstrap.active() {
		return
	}
	seen := 0
	var ripe []expiryEntry
	from := x.cursor
	x.cursor = ""
	err := n.store.Scan(prefixExpiry, prefixExpiry+from, func(key string, value []byte) bool {
		path := key[len(prefixExpiry):]
		if seen == expiryScanMax {
			x.cursor, x.next = path, n.now.Mono+collectPause
			return false
		}
		seen++
		if e, ok := decodeExpiry(path, value); !ok || n.outlived(&e) {
			e.path = path
			ripe = append(ripe, e)
		}
		return true
	})
	if err != nil {
		n.log(LogError, "scan of expiring values failed", "error", err.Error())
		return
	}
	if seen == 0 && from == "" {
		if n.durable == n.persists { // else an entry may be on its way to the disk.
			x.next = expiryNever // until one is written.
		}
		return
	}
	n.keepRunningTime()
	for i := range ripe {
		n.expire(&ripe[i])
	}
}

// outlived reports whether this member has held a value for as long as it lives.
func (n *Node) outlived(e *expiryEntry) bool {
	now := n.runningTime()
	return now >= e.since && now-e.since >= e.life
}

// expire ends a value, or drops the entry of one that is no longer there.
func (n *Node) expire(e *expiryEntry) {
	if _, pending := n.overlay.byPath[e.path]; pending {
		return // seen again at the next look.
	}
	_, slot, err := n.currentSlot(e.path)
	if err != nil {
		return
	}
	rec := n.electorate.Visible(&slot)
	switch {
	case !rec.Live() || rec.Version() != e.version:
		n.ops = append(n.ops, Op{Key: prefixExpiry + e.path})
		return
	case !n.endsIt(&rec, e), slot.Conflict() && !n.electorate.Winner(&slot).Final:
		return
	case slot.consensusShows():
		n.expireChosen(e)
		return
	}
	end := rec.ending()
	n.clock.Observe(end.TS) // as if it had come from another member, as it may have.
	out := SlotOf(&end)
	out.Consensus = slot.Consensus
	encoded := EncodeSlot(e.path, &out)
	n.write(e.path, encoded)
	n.ops = append(n.ops, Op{Key: prefixExpiry + e.path})
	n.replicate(e.path, encoded)
	n.counters.Expired++
}

// endsIt reports whether it is this member's turn to end a value: its origin's at once, that of the others after a while.
func (n *Node) endsIt(rec *Record, e *expiryEntry) bool {
	return rec.Origin == n.id || n.runningTime()-e.since-e.life >= uint64(expiryPatience.Milliseconds())
}

// ending is the tombstone of a value that has lived its time, the same on every member. Being one step above, it ends as well what
// another write claimed under the very same timestamp: a conflict whose winner has ended, or, if the member that ends it has not
// heard of the other write in all the time, one that was never settled.
func (r *Record) ending() Record {
	u := r.UUID
	for i := range u {
		u[i] ^= 0xff
	}
	u[6] = u[6]&0x0f | endingUUID // a UUID of version 8 (RFC 9562, section 5.8): no client's write has one.
	u[8] = u[8]&0x3f | 0x80
	return Record{TS: r.TS + 1, UUID: u, Origin: r.Origin, Tombstone: true}
}

const endingUUID = 0x80

// EndingOf reports whether r is the tombstone that ends just this version.
func (r *Record) EndingOf(v Version) bool {
	value := Record{TS: v.TS, UUID: v.UUID}
	end := value.ending()
	return r.Tombstone && r.Version() == end.Version()
}

// Ending reports whether r is the tombstone of a value that expired, and the timestamp of that value.
func (r *Record) Ending() (of Timestamp, is bool) {
	return r.TS - 1, r.isEnding()
}

func (r *Record) isEnding() bool { return r.Tombstone && r.UUID[6]&0xf0 == endingUUID }

func (c *Candidate) isEnding() bool { return c.Tombstone && c.UUID[6]&0xf0 == endingUUID }

// expireChosen begins a linearizable delete of just this version.
func (n *Node) expireChosen(e *expiryEntry) {
	if n.config == nil || n.votersAlive() < n.config.Majority() || n.register.open >= absorbMax {
		return
	}
	r := &Request{Op: OpDelete, Level: Linearizable, Path: e.path, Condition: Condition{Kind: IfMatch, Versions: []Version{e.version}}}
	o := &registerOp{request: r, uuid: n.newUUID(), internal: true, deadline: n.now.Mono + registerTimeout}
	n.register.open++
	n.counters.Rounds++
	n.counters.Expired++
	n.beginRound(o)
}
