package node

import (
	"errors"
	"slices"
	"time"
)

// Catching up. After adopting an epoch, each of its voters makes sure that it holds everything that a majority of the voters
// before held: both halves of every slot. Otherwise a value chosen two epochs ago could be on no majority of today's voters.
//
// It goes through all paths in pages, with one former voter after the other. "Is this range the same at yours?" carries a sum
// of the versions and ballots here; the answer is "equal", or the versions there, of which those not held here are pulled. A
// former voter answers only when it has adopted the new epoch durably itself (the seal): from then on it accepts nothing in
// the old one any more, and everything it had accepted is in its store. Copies are merged like all others, as late accepts.
type catchUp struct {
	epoch  uint64 // with which it catches up; zero: nothing to do.
	done   []ID   // former voters gone through, sorted.
	whole  []ID   // after a recovery, those of them that hold what all of them hold, sorted.
	peer   ID     // under way; zero: none.
	round  uint64 // of the last question.
	from   string // the page under way begins here,
	to     string // and ends here,
	wanted []string
	retry  time.Duration
	tries  int
}

const (
	catchUpPageKeys = 512
	catchUpKeysMax  = 2048
	catchUpPullMax  = 256
	catchUpInterval = 500 * time.Millisecond // a question without an answer is asked again after it.
	catchUpTriesMax = 3                      // then the next former voter has its turn.
	keyPassed       = prefixMeta + "passed"
	catchUpBytesMax = 4 << 20 // of one answer to a pull.
)

// startCatchUp begins when an epoch is adopted, or after a restart before it was finished.
func (n *Node) startCatchUp() {
	c := n.config
	n.catchUp = catchUp{}
	if !c.Votes(n.id) || n.passed >= c.Epoch {
		return
	}
	if len(c.Previous) == 0 { // the founding: there was nothing before.
		n.pass(c.Epoch)
		return
	}
	n.catchUp.epoch = c.Epoch
	if _, former := slices.BinarySearch(c.Previous, n.id); former {
		n.catchUp.done = []ID{n.id}
	}
	n.nextFormerVoter()
}

// pass takes note that this voter has caught up.
func (n *Node) pass(epoch uint64) {
	n.passed = epoch
	n.ops = append(n.ops, Op{Key: keyPassed, Value: encodePassed(epoch)})
	n.passedAfter = n.nextPersist()
	n.catchUp = catchUp{}
	n.log(LogInfo, "caught up with the configuration", "epoch", epoch)
	if n.config.recovered() { // from now on this voter takes part.
		n.restartRegister()
		n.restartQuorum()
	}
}

// nextFormerVoter goes on with one that has not been gone through, or is through.
func (n *Node) nextFormerVoter() {
	u := &n.catchUp
	previous := n.config.Previous
	if len(u.done) >= n.config.sources() || slices.ContainsFunc(u.done, func(id ID) bool { return slices.Contains(u.whole, id) }) {
		n.pass(u.epoch)
		return
	}
	u.retry, u.tries = n.now.Mono+catchUpInterval, 0
	start, _ := slices.BinarySearch(previous, u.peer+1) // after the last one, around.
	u.peer = 0
	for i := range previous {
		id := previous[(start+i)%len(previous)]
		if p := n.peer(id); p != nil && !p.dead() && !slices.Contains(u.done, id) {
			u.peer, u.from = id, ""
			n.askPage()
			return
		}
	}
	n.askWhole()
}

// askPage asks about the page that begins at from.
func (n *Node) askPage() {
	u := &n.catchUp
	p := n.peer(u.peer)
	if p == nil {
		n.nextFormerVoter()
		return
	}
	var sum rangeSum
	u.retry = n.now.Mono + catchUpInterval
	to, err := n.scanSlots(keyRange{from: u.from}, catchUpPageKeys, func(path string, v Version) { sum.add(path, v) })
	if err != nil {
		return // tried again.
	}
	u.to, u.wanted = to, nil
	n.catchUpRound++
	u.round = n.exchangeID(n.catchUpRound)
	n.send(TransportFrame, p.addr, n.configAfter, n.encodeCatchRange(&catchRange{round: u.round, epoch: u.epoch, keyRange: keyRange{u.from, u.to}, sum: sum}))
}

// scanSlots calls fn for the durable slots in r that hold a version, at most keysMax of them, and returns where it ended: r.to,
// or the first path left out. After an error fn may have missed some: nothing may be said of the range.
func (n *Node) scanSlots(r keyRange, keysMax int, fn func(path string, v Version)) (to string, err error) {
	to = r.to
	keys := 0
	err = n.store.Scan(prefixRecord, prefixRecord+r.from, func(key string, value []byte) bool {
		path := key[len(prefixRecord):]
		if !r.holds(path) {
			return false
		}
		if keys == keysMax {
			to = path
			return false
		}
		if slot, err := DecodeSlot(path, value); err == nil && slot.Exists() {
			keys++
			fn(path, slot.version())
		}
		return true
	})
	if err != nil {
		n.log(LogError, "scan failed", "from", r.from, "error", err.Error())
	}
	return to, err
}

// handleCatchRange answers a voter that catches up, once this member has sealed the old epoch.
func (n *Node) handleCatchRange(from *peer, body []byte) error {
	m, err := decodeCatchRange(body)
	if err != nil || !n.epochAgrees(from, m.epoch) || n.durable < n.configAfter {
		return err // it asks again.
	}
	reply := catchKeys{round: m.round, keyRange: m.keyRange}
	var sum rangeSum
	reply.to, err = n.scanSlots(m.keyRange, catchUpKeysMax, func(path string, v Version) {
		sum.add(path, v)
		reply.keys = append(reply.keys, heldVersion{path, v})
	})
	if err != nil {
		return nil // it asks again: what cannot be read is not "nothing".
	}
	if sum == m.sum && reply.to == m.to {
		reply.keys = nil
		reply.equal = true
	}
	n.send(TransportFrame, from.addr, 0, n.encodeCatchKeys(&reply))
	return nil
}

// handleCatchKeys pulls what this member does not hold.
func (n *Node) handleCatchKeys(from *peer, body []byte) error {
	m, err := decodeCatchKeys(body)
	if err != nil {
		return err
	}
	u := &n.catchUp
	if u.peer != from.id || m.round != u.round || m.from != u.from {
		return nil
	}
	u.to, u.tries = m.to, 0
	for _, k := range m.keys {
		_, ours, err := n.currentSlot(k.path)
		if err != nil {
			ours = Slot{}
		}
		if v := ours.version(); v != k.Version && (v.TS <= k.TS || bothWays(v, k.Version)) {
			u.wanted = append(u.wanted, k.path)
		}
	}
	n.pullWanted(from)
	return nil
}

// pullWanted asks for what is left of the page, or goes on to the next one.
func (n *Node) pullWanted(p *peer) {
	u := &n.catchUp
	u.retry = n.now.Mono + catchUpInterval
	if len(u.wanted) > 0 {
		n.send(TransportFrame, p.addr, 0, n.encodeCatchPull(u.round, u.wanted[:min(len(u.wanted), catchUpPullMax)]))
		return
	}
	if u.to != "" {
		u.from = u.to
		n.askPage()
		return
	}
	u.done = insertID(u.done, u.peer)
	n.nextFormerVoter()
}

// handleCatchPull sends slots, as many as the bound allows.
func (n *Node) handleCatchPull(from *peer, body []byte) error {
	round, paths, err := decodeCatchPull(body)
	if err != nil {
		return err
	}
	m := replicate{seq: round}
	bytes := 0
	for _, path := range paths {
		e, ok, err := n.durableEntry(path)
		switch {
		case err != nil && !errors.Is(err, ErrCorrupt):
			return nil // it asks again.
		case !ok:
			e = entry{path: path} // gone meanwhile.
		}
		if bytes += e.wireBytes(); len(m.entries) > 0 && bytes > catchUpBytesMax {
			break
		}
		m.entries = append(m.entries, e)
	}
	n.send(TransportFrame, from.addr, 0, n.encodeCatchSlots(&m))
	return nil
}

// handleCatchSlots merges what was pulled.
func (n *Node) handleCatchSlots(from *peer, body []byte) error {
	m, err := decodeCatchSlots(body)
	if err != nil {
		return err
	}
	u := &n.catchUp
	if u.peer != from.id || m.seq != u.round || len(m.entries) == 0 {
		return nil
	}
	for i := range m.entries {
		e := &m.entries[i]
		if len(e.record) > 0 {
			if _, err := n.merge(from, e.path, e.record); err != nil {
				return err
			}
		}
		if k := slices.Index(u.wanted, e.path); k >= 0 {
			u.wanted = slices.Delete(u.wanted, k, k+1)
		}
	}
	n.pullWanted(from)
	return nil
}

// tickCatchUp asks again, and turns to another former voter when one is silent.
func (n *Node) tickCatchUp() {
	u := &n.catchUp
	if u.epoch == 0 || n.now.Mono < u.retry {
		return
	}
	if u.tries++; u.peer == 0 || u.tries >= catchUpTriesMax {
		n.nextFormerVoter()
		return
	}
	n.askPage()
}
