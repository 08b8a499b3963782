package configuration

import (
	"errors"
	"slices"
	"time"

	"kvs/node/codec"
	"kvs/node/contract"
	"kvs/node/schema"
	"kvs/node/slot"
	"kvs/node/step"
	"kvs/node/wire"
)

// Catching up. After adopting an epoch, each of its voters makes sure that it holds everything that a majority of the
// former voters held: both halves of every slot. Otherwise a value chosen two epochs ago could be on no majority of the
// present voters.
//
// It goes through all paths in pages, with one former voter after the other. A question about a page carries a sum of
// the versions and ballots held here; the answer is "equal", or the versions held there, and those missing here are
// pulled. A former voter answers only when it has adopted the new epoch durably itself (the seal): from then on it
// accepts nothing in the old epoch, and everything it had accepted is in its store. Copies are merged like all others,
// as late accepts.
type catchUp struct {
	epoch  uint64    // the epoch with which it catches up; zero: nothing to do.
	done   []slot.ID // former voters gone through, sorted.
	whole  []slot.ID // after a recovery, those of them that have fetched what all of them hold, sorted.
	peer   slot.ID   // under way; zero: none.
	round  uint64    // of the last question.
	from   string    // the page under way begins here,
	to     string    // and ends here,
	wanted []string
	sight  sight
	retry  time.Duration
	tries  int
}

const (
	catchUpPageKeys = 512
	catchUpInterval = 500 * time.Millisecond // a question without an answer is asked again after it.
	catchUpTriesMax = 3                      // then the next former voter is asked.
	catchUpBytesMax = 4 << 20                // of one answer to a pull.
)

// startCatchUp begins when an epoch is adopted, or after a restart before it was finished.
func (m *Machine) startCatchUp() {
	c := m.InForce
	m.catchUp = catchUp{}
	if !c.Votes(m.Self) || m.CaughtUp >= c.Epoch {
		return
	}
	if len(c.Previous) == 0 { // the founding: there was nothing before.
		m.pass(c.Epoch)
		return
	}
	m.catchUp.epoch = c.Epoch
	if _, former := slices.BinarySearch(c.Previous, m.Self); former {
		m.catchUp.done = []slot.ID{m.Self}
	}
	m.nextFormerVoter()
}

// pass records that this voter has caught up.
func (m *Machine) pass(epoch uint64) {
	m.CaughtUp = epoch
	m.Changes = append(m.Changes, contract.Change{Key: schema.KeyPassed, Value: encodePassed(epoch)})
	m.passedAfter = m.NextPersist()
	m.catchUp = catchUp{}
	m.Log(contract.LogInfo, "caught up with the configuration", "epoch", epoch)
	if m.InForce.Recovered() { // from now on this voter takes part.
		m.owner.RestartRounds()
		m.owner.RestartQuorum()
	}
}

// nextFormerVoter starts on a former voter that has not been gone through, or ends the catch-up when there is none.
func (m *Machine) nextFormerVoter() {
	u := &m.catchUp
	previous := m.InForce.Previous
	fromWhole := slices.ContainsFunc(u.done, func(id slot.ID) bool { return slices.Contains(u.whole, id) })
	if fromWhole || len(u.done) >= m.InForce.Sources() && !m.oneMoreMaySee() {
		m.settleSight()
		m.pass(u.epoch)
		return
	}
	u.retry, u.tries = m.Now.Mono+catchUpInterval, 0
	start, _ := slices.BinarySearch(previous, u.peer+1) // after the last one, around.
	u.peer = 0
	for i := range previous {
		id := previous[(start+i)%len(previous)]
		if p := m.Peer(id); p != nil && !p.Dead() && !slices.Contains(u.done, id) {
			u.peer, u.from = id, ""
			u.sight.begin()
			m.askPage()
			return
		}
	}
	m.askWhole()
}

// askPage asks about the page that begins at from.
func (m *Machine) askPage() {
	u := &m.catchUp
	p := m.Peer(u.peer)
	if p == nil {
		m.nextFormerVoter()
		return
	}
	var sum wire.RangeSum
	u.retry = m.Now.Mono + catchUpInterval
	add := func(path string, v slot.Version) { sum.Add(path, v) }
	to, err := m.scanSlots(wire.KeyRange{From: u.from}, catchUpPageKeys, add, u.sight.blindHere)
	if err != nil {
		return // tried again.
	}
	u.to, u.wanted = to, nil
	m.catchUpRound++
	u.round = m.ExchangeID(m.catchUpRound)
	m.Send(contract.TransportFrame, p.Addr, m.InForceAfter, m.Frame(wire.KindCatchRange, &wire.CatchRange{
		Round: u.round, Epoch: u.epoch, KeyRange: wire.KeyRange{From: u.from, To: u.to}, Sum: sum,
	}))
}

// scanSlots calls fn for the durable slots in r that hold a version, and blind for the paths where this member does not
// know what it had: at most keysMax calls. It returns where it ended: r.to, or the first path left out. After an error
// slots may have been missed: the result must not be used for an answer about the range.
func (m *Machine) scanSlots(r wire.KeyRange, keysMax int, fn func(path string, v slot.Version),
	blind func(path string)) (to string, err error) {
	to = r.To
	keys := 0
	err = m.Store.Scan(schema.PrefixRecord, schema.PrefixRecord+r.From, func(key string, value []byte) bool {
		path := key[len(schema.PrefixRecord):]
		if !r.Holds(path) {
			return false
		}
		slot, err := slot.Decode(path, value)
		isBlind := err != nil || slot.Consensus != nil && slot.Consensus.Blind
		if keys == keysMax || isBlind && keys == keysMax-1 { // such a path may be two of them.
			to = path
			return false
		}
		if isBlind {
			keys++
			blind(path)
		}
		if err == nil && slot.Exists() {
			keys++
			fn(path, slot.Version())
		}
		return true
	})
	if err != nil {
		m.Log(contract.LogError, "scan failed", "from", r.From, "error", err.Error())
	}
	return to, err
}

// HandleCatchRange answers a voter that catches up, once this member has sealed the old epoch.
func (m *Machine) HandleCatchRange(from *step.Peer, in *wire.CatchRange) error {
	if !m.EpochAgrees(from, in.Epoch) || m.Durable < m.InForceAfter || m.Mute() {
		return nil // it asks again.
	}
	reply := wire.CatchKeys{Round: in.Round, KeyRange: in.KeyRange}
	var sum wire.RangeSum
	var err error
	held := func(path string, v slot.Version) {
		sum.Add(path, v)
		reply.Keys = append(reply.Keys, wire.HeldVersion{Path: path, Version: v})
	}
	blind := func(path string) { held(path, slot.Version{}) } // see sight.
	reply.To, err = m.scanSlots(in.KeyRange, wire.CatchUpKeysMax, held, blind)
	if err != nil {
		return nil // it asks again: an unreadable slot must not count as absent.
	}
	if sum == in.Sum && reply.To == in.To {
		reply.Keys = nil
		reply.Equal = true
	}
	m.Send(contract.TransportFrame, from.Addr, 0, m.Frame(wire.KindCatchKeys, &reply))
	return nil
}

// HandleCatchKeys pulls the versions that this member does not hold.
func (m *Machine) HandleCatchKeys(from *step.Peer, in *wire.CatchKeys) error {
	u := &m.catchUp
	if u.peer != from.ID || in.Round != u.round || in.From != u.from {
		return nil
	}
	u.to, u.tries = in.To, 0
	for _, k := range in.Keys {
		if k.Version == (slot.Version{}) {
			u.sight.blindThere(k.Path)
			continue
		}
		_, ours, err := m.CurrentSlot(k.Path)
		if err != nil {
			ours = slot.Slot{}
		}
		if v := ours.Version(); v != k.Version && (v.TS <= k.TS || slot.BothWays(v, k.Version)) {
			u.wanted = append(u.wanted, k.Path)
		}
	}
	m.pullWanted(from)
	return nil
}

// pullWanted asks for the rest of the page, or goes on to the next page.
func (m *Machine) pullWanted(p *step.Peer) {
	u := &m.catchUp
	u.retry = m.Now.Mono + catchUpInterval
	if len(u.wanted) > 0 {
		next := u.wanted[:min(len(u.wanted), wire.CatchUpPullMax)]
		m.Send(contract.TransportFrame, p.Addr, 0,
			m.Frame(wire.KindCatchPull, &wire.CatchPull{Round: u.round, Paths: next}))
		return
	}
	if u.to != "" {
		u.from = u.to
		m.askPage()
		return
	}
	u.done = slot.InsertID(u.done, u.peer)
	u.sight.end()
	m.nextFormerVoter()
}

// HandleCatchPull sends slots, as many as the bound allows.
func (m *Machine) HandleCatchPull(from *step.Peer, in *wire.CatchPull) error {
	if m.Mute() {
		return nil // it asks again.
	}
	reply := wire.CatchSlots{Round: in.Round}
	bytes := 0
	for _, path := range in.Paths {
		e, ok, err := m.owner.DurableEntry(path)
		switch {
		case err != nil && !errors.Is(err, codec.ErrCorrupt):
			return nil // it asks again.
		case !ok:
			e = wire.Entry{Path: path} // gone meanwhile.
		}
		if bytes += e.WireBytes(); len(reply.Entries) > 0 && bytes > catchUpBytesMax {
			break
		}
		reply.Entries = append(reply.Entries, e)
	}
	m.Send(contract.TransportFrame, from.Addr, 0, m.Frame(wire.KindCatchSlots, &reply))
	return nil
}

// HandleCatchSlots merges the pulled slots.
func (m *Machine) HandleCatchSlots(from *step.Peer, in *wire.CatchSlots) error {
	u := &m.catchUp
	if u.peer != from.ID || in.Round != u.round || len(in.Entries) == 0 {
		return nil
	}
	for i := range in.Entries {
		e := &in.Entries[i]
		if len(e.Record) > 0 {
			if err := m.owner.Merge(from, e.Path, e.Record); err != nil {
				return err
			}
		}
		if k := slices.Index(u.wanted, e.Path); k >= 0 {
			u.wanted = slices.Delete(u.wanted, k, k+1)
		}
	}
	m.pullWanted(from)
	return nil
}

// tickCatchUp repeats questions, and turns to another former voter when one is silent.
func (m *Machine) tickCatchUp() {
	u := &m.catchUp
	if u.epoch == 0 || m.Now.Mono < u.retry {
		return
	}
	if u.tries++; u.peer == 0 || u.tries >= catchUpTriesMax {
		m.nextFormerVoter()
		return
	}
	m.askPage()
}
