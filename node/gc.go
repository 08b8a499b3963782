package node

import (
	"encoding/binary"
	"slices"
	"time"

	"kvs/node/swim"
)

// The end of a tombstone. A delete leaves a tombstone, because a member that missed it would otherwise bring the value back. It
// may go once every member has it, and nothing older can come back from anywhere:
//
//   - Every member that has not left, the dead included, acknowledges that it holds the very same slot on its disk, that the
//     slot shows a tombstone, that no conflict in it is open and no live value lies beneath, and that the copy is not weak: a round that was
//     promised something before the copy came may have seen the value that was deleted, and bring it back under its higher ballot. A member that is away for a
//     month keeps all tombstones for a month; whoever gives it up removes it from the cluster.
//   - All of them acknowledge under the same roster, in the same epoch. A member that one of them knows may have been given the old value by it.
//   - Each acknowledgement says up to which stamp the frames of that member are too old from then on (stamps.go), and how high
//     promises and ballots have been. Both become durable in the persist that drops the tombstone, and so does what the member that
//     drops it has promised on the path since it acknowledged.
//
// These facts stay true for ever: a member that acknowledged holds that tombstone or something newer from then on, or has dropped
// it by this same rule. So one member collects the acknowledgements, and tells the others with what it dropped whose frames to
// refuse; they drop without asking again. The one that made the tombstone collects; if it has left, the oldest member does.
//
// A member that missed the word would push its tombstone back to those that dropped it, who then hold it again, and so on. So
// each remembers in memory for a while what it dropped, does not take that in again, and repeats the word instead. Forgetting
// it, by a restart, costs a further round and is never wrong.
//
// No clock decides. The grace time only makes the end later; it is counted in quarters that the node lives through (the
// generation, kept over restarts), so that no clock has to be trusted and no time of deletion kept.
type collection struct {
	next    time.Duration // when to look for tombstones again.
	turn    time.Duration // when the next generation begins.
	cursor  string        // the index under g/ is read on from here.
	round   *goneRound    // nil: none under way.
	last    uint64        // number of the last round.
	missing ID            // who was away when all had to be asked last; zero: nobody.
	acked   Stamp         // own frames up to it may hold what a tombstone of a round had replaced.
	graves  graves
	echo    []heldVersion // what the frame of the running step brought back ...
	echoTo  ID            // ... and from whom.
}

// goneRound asks all members about some tombstones.
type goneRound struct {
	id     uint64
	roster uint64
	paths  []heldVersion
	held   []bool // by all who have answered.
	floors []floor
	fence  Timestamp
	giveUp time.Duration
}

const (
	graceParts     = 4    // generations in one grace time; a tombstone waits for one more.
	collectMax     = 512  // tombstones in one round.
	collectScanMax = 1024 // index entries looked at in one step.
	absorbMax      = 64   // linearizable operations under way, beyond which none is begun for a tombstone.
	collectPause   = 50 * time.Millisecond
	collectTimeout = 5 * time.Second
	gravesMax      = 1 << 16
)

// The record g/PATH: format u8, generation u32. It says that there may be a tombstone under the path, or a mere promise, written in that
// generation or later. It is written with every one of them, and taken away when the collection finds that there is none any
// more. What cannot be read counts as of the present generation.
const tombstoneFormat = 1

func (n *Node) tombstoneOp(path string) Op {
	b := binary.LittleEndian.AppendUint32([]byte{tombstoneFormat}, n.stamps.generation)
	return Op{Key: prefixTombstone + path, Value: b}
}

// ripe reports whether an index entry is older than the grace time.
func (n *Node) ripe(value []byte) bool {
	if len(value) != 5 || value[0] != tombstoneFormat {
		return false
	}
	born := binary.LittleEndian.Uint32(value[1:])
	return born+graceParts+1 <= n.stamps.generation
}

func (c *collection) due() time.Duration {
	if c.round != nil {
		return min(c.turn, c.round.giveUp)
	}
	return min(c.turn, c.next)
}

func (n *Node) beginCollection() {
	n.collection.turn = n.now.Mono + n.tuning.TombstoneGrace/graceParts
	n.collection.next = n.collection.turn
}

func (n *Node) tickCollection() {
	c := &n.collection
	if n.now.Mono < c.due() {
		return
	}
	if n.now.Mono >= c.turn {
		n.turnGeneration()
	}
	if c.round != nil {
		if n.now.Mono < c.round.giveUp {
			return
		}
		n.log(LogDebug, "tombstones: not all members answered", "round", c.round.id)
		c.round = nil
		n.planCollection(false)
	}
	if n.now.Mono >= c.next {
		n.collect()
	}
}

// turnGeneration makes all tombstones older by a part of the grace time. While there are none there is nothing to write.
func (n *Node) turnGeneration() {
	n.collection.turn = n.now.Mono + n.tuning.TombstoneGrace/graceParts
	some := false
	err := n.store.Scan(prefixTombstone, "", func(string, []byte) bool {
		some = true
		return false
	})
	if some || err != nil {
		n.stamps.generation++
		n.ops = append(n.ops, n.stampsOp())
	}
}

// planCollection sets when to look again: soon when there is more to see.
func (n *Node) planCollection(more bool) {
	pause := max(collectPause, min(n.tuning.TombstoneGrace/graceParts, time.Minute))
	if more {
		pause = collectPause
	}
	n.collection.next = n.now.Mono + pause
}

// absent returns a member without whose word no tombstone may go, and false when all can be asked.
func (n *Node) absent() (ID, bool) {
	for _, r := range n.roster {
		if p := n.peer(r.id); r.id != n.id && (p == nil || p.state == swim.Dead) {
			return r.id, true
		}
	}
	return 0, false
}

// mayCollect reports whether all members can be asked, and says once who stands against it. Members that have not met yet are known
// to be fewer than expected until the cluster is founded.
func (n *Node) mayCollect() bool {
	id, some := n.absent()
	if n.config == nil && len(n.roster) < n.expected() {
		return false
	}
	if n.collection.missing != id {
		if some {
			n.log(LogInfo, "tombstones stay until a member that is away returns, or is removed from the cluster", "member", id.String())
		}
		n.collection.missing = id
	}
	return !some
}

// collect looks at some more of the index, and begins a round over those tombstones that are this member's to collect.
func (n *Node) collect() {
	if !n.mayCollect() {
		n.planCollection(false)
		return
	}
	c := &n.collection
	ripe, more := n.scanIndex()
	n.planCollection(more)
	var paths []heldVersion
	for _, path := range ripe {
		slot, state := n.tombstone(path)
		switch {
		case state == tombstoneGone:
			n.ops = append(n.ops, Op{Key: prefixTombstone + path})
		case state == tombstonePromise:
			n.dropPromise(path, &slot)
		case state == tombstoneHeld && n.collector(&slot) == n.id:
			paths = append(paths, heldVersion{path, slot.version()})
		case state == tombstoneWeak: // at this member alone, perhaps.
			n.absorb(path)
		case state == tombstoneCovers && n.collector(&slot) == n.id:
			n.absorb(path)
		}
	}
	if len(paths) == 0 {
		return
	}
	c.last++
	c.round = &goneRound{
		id: n.exchangeID(c.last), roster: n.rosterSum(), paths: paths, held: slices.Repeat([]bool{true}, len(paths)),
		giveUp: n.now.Mono + collectTimeout,
	}
	ask := n.encodeGone(&goneAsk{round: c.round.id, roster: c.round.roster, paths: paths})
	c.acked = max(c.acked, n.lastStamp())
	c.round.fence = n.highest(paths)
	for _, p := range n.peers {
		n.send(TransportFrame, p.addr, 0, ask)
	}
	n.concludeGone() // at once, by a cluster of one.
}

// absorb has a linearizable read put a tombstone in the place of the live value beneath it, or of a weak copy: only then may it end.
func (n *Node) absorb(path string) {
	if n.config == nil || n.votersAlive() < n.config.Majority() || n.register.open >= absorbMax {
		return
	}
	o := &registerOp{request: &Request{Op: OpGet, Level: Linearizable, Path: path}, internal: true, deadline: n.now.Mono + registerTimeout}
	n.register.open++
	n.counters.Rounds++
	n.beginRound(o)
}

// scanIndex returns the ripe paths of the next part of the index, and whether there is more behind it.
func (n *Node) scanIndex() (ripe []string, more bool) {
	c := &n.collection
	seen := 0
	next := ""
	err := n.store.Scan(prefixTombstone, prefixTombstone+c.cursor, func(key string, value []byte) bool {
		path := key[len(prefixTombstone):]
		if seen == collectScanMax || len(ripe) == collectMax {
			next = path
			return false
		}
		seen++
		if n.ripe(value) {
			ripe = append(ripe, path)
		}
		return true
	})
	if err != nil {
		n.log(LogError, "scan of tombstones failed", "error", err.Error())
	}
	c.cursor = next
	return ripe, next != ""
}

// tombstoneState is what is on disk under an indexed path.
type tombstoneState uint8

const (
	tombstoneGone    tombstoneState = iota // there is none that shows or may come to show.
	tombstonePromise                       // nothing at all: only a promise.
	tombstoneOpen                          // there is one, but it is not to be collected, or not now.
	tombstoneCovers                        // it shows, over a live value that linearizable operations left.
	tombstoneWeak                          // it, or what lies beneath, came in below a promise: a round under way may not know of it.
	tombstoneHeld                          // it shows, and nothing but the other members stands against its end.
)

// tombstone reads a path from the disk: what is not durable here cannot be acknowledged, and what is in flight beside it makes it
// another slot soon.
func (n *Node) tombstone(path string) (Slot, tombstoneState) {
	if _, pending := n.overlay.byPath[path]; pending {
		return Slot{}, tombstoneOpen
	}
	b, ok, err := n.store.Get(prefixRecord + path)
	if err != nil {
		return Slot{}, tombstoneOpen
	}
	if !ok || !encodedTombstone(path, b) && !encodedBoth(b) {
		return Slot{}, tombstoneGone
	}
	slot, err := DecodeSlot(path, b)
	switch c := slot.Consensus; {
	case err == nil && !slot.Exists() && !c.Blind:
		return slot, tombstonePromise
	case err == nil && !encodedTombstone(path, b):
		return slot, tombstoneGone
	}
	if err != nil {
		return Slot{}, tombstoneOpen
	}
	rec := n.electorate.Visible(&slot)
	switch s := slot.Consensus; {
	case slot.Conflict() && !n.electorate.Winner(&slot).Final:
		return slot, tombstoneOpen
	case rec.Live():
		return slot, tombstoneGone // the one there is has lost.
	case s != nil && s.Blind:
		return slot, tombstoneOpen
	case s.accepted() && s.Weak:
		return slot, tombstoneWeak
	case s.accepted() && !s.Record.Tombstone:
		return slot, tombstoneCovers
	}
	return slot, tombstoneHeld
}

// collector is the member that asks about a tombstone: the one that made it, or else the oldest.
func (n *Node) collector(s *Slot) ID {
	rec := n.electorate.Visible(s)
	if _, known := n.rosterIndex(rec.Origin); known {
		return rec.Origin
	}
	return n.electorate.members[0]
}

// rosterSum stands for the members that this one knows and that have not left, and for the configuration in force.
func (n *Node) rosterSum() uint64 {
	h := (uint64(14695981039346656037) ^ n.epoch()) * 1099511628211
	for _, r := range n.roster {
		h = (h ^ uint64(r.id)) * 1099511628211
		h ^= h >> 32
	}
	return h
}

// highest is at or above every version, promise and ballot that this member has seen, and in particular of these paths.
func (n *Node) highest(paths []heldVersion) Timestamp {
	high := max(n.clock.Last(), n.stamps.fence)
	for i := range paths {
		high = max(high, paths[i].TS)
		if _, slot, err := n.currentSlot(paths[i].path); err == nil && slot.Consensus != nil {
			high = max(high, slot.Consensus.Promised.TS, slot.Consensus.Ballot.TS)
		}
	}
	return high
}

// handleGoneAsk acknowledges those tombstones of which this member holds the very same, or held it until all others did. The
// answer leaves behind everything that was sealed before it, so that what is refused because of it is seldom still under way.
func (n *Node) handleGoneAsk(from *peer, body []byte) error {
	m, err := decodeGoneAsk(body)
	if err != nil {
		return err
	}
	a := goneAnswer{round: m.round, roster: n.rosterSum(), fence: n.highest(m.paths)}
	for _, k := range m.paths {
		slot, state := n.tombstone(k.path)
		held := state == tombstoneHeld && slot.version() == k.Version
		a.held = append(a.held, held || n.buried(k.path, k.Version))
	}
	a.upTo = n.lastStamp()
	n.collection.acked = max(n.collection.acked, a.upTo)
	n.send(TransportFrame, from.addr, n.persists, n.encodeGoneAnswer(&a))
	return nil
}

// handleGoneAnswer counts an answer.
func (n *Node) handleGoneAnswer(from *peer, body []byte) error {
	m, err := decodeGoneAnswer(body)
	if err != nil {
		return err
	}
	r := n.collection.round
	if r == nil || r.id != m.round || len(m.held) != len(r.paths) {
		return nil
	}
	if m.roster != r.roster {
		n.log(LogDebug, "tombstones: members do not agree on who they are", "peer", from.id.String())
		n.collection.round = nil
		n.planCollection(false)
		return nil
	}
	for i := range r.held {
		r.held[i] = r.held[i] && m.held[i]
	}
	i, twice := slices.BinarySearchFunc(r.floors, from.id, func(f floor, id ID) int { return compareID(f.member, id) })
	if !twice {
		r.floors = slices.Insert(r.floors, i, floor{from.id, m.upTo})
	}
	r.fence = max(r.fence, m.fence)
	n.concludeGone()
	return nil
}

// concludeGone drops what all members have acknowledged, once all have answered, and passes the word on.
func (n *Node) concludeGone() {
	c := &n.collection
	r := c.round
	for _, m := range n.roster {
		if _, answered := slices.BinarySearchFunc(r.floors, m.id, func(f floor, id ID) int { return compareID(f.member, id) }); !answered && m.id != n.id {
			return
		}
	}
	c.round = nil
	if r.roster != n.rosterSum() {
		return
	}
	word := gone{floors: r.floors, fence: r.fence}
	for i, k := range r.paths {
		if r.held[i] {
			word.paths = append(word.paths, k)
		}
	}
	if len(word.paths) == 0 {
		return
	}
	n.heed(&word)
	i, _ := slices.BinarySearchFunc(word.floors, n.id, func(f floor, id ID) int { return compareID(f.member, id) })
	word.floors = slices.Insert(word.floors, i, floor{n.id, c.acked})
	frame := n.encodeGoneWord(&word)
	for _, p := range n.peers {
		n.send(TransportFrame, p.addr, n.nextPersist(), frame)
	}
}

// handleGoneWord drops what all members have acknowledged to another.
func (n *Node) handleGoneWord(_ *peer, body []byte) error {
	m, err := decodeGoneWord(body)
	if err != nil {
		return err
	}
	n.heed(&m)
	return nil
}

// heed refuses what is too old, and drops those of the tombstones that this member still holds just so.
func (n *Node) heed(m *gone) {
	for _, f := range m.floors {
		if f.member == n.id {
			n.collection.acked = max(n.collection.acked, f.stamp) // acknowledged by a former run, perhaps.
		} else {
			n.stamps.raise(f.member, f.stamp)
		}
	}
	n.raiseFence(m.fence)
	for _, k := range m.paths {
		slot, state := n.tombstone(k.path)
		if state != tombstoneHeld || slot.version() != k.Version {
			continue
		}
		// What this member has promised since it acknowledged goes with the slot, and the others know nothing of it.
		n.raiseFence(slot.Consensus.promised().TS)
		n.erase(k.path)
		n.collection.graves.put(k.path, k.Version)
		n.counters.TombstonesDropped++
	}
	n.ops = append(n.ops, n.stampsOp())
}
