package sim

import (
	"slices"
	"strconv"
	"strings"

	"kvs/node"
)

// What faults take from disks, and what the cluster may therefore lose: the rules of scenarios/ATLAS.md. An acknowledged write may be
// lost when its last copy went with a disk. A quorum read may go back when so many copies rotted that a majority of the voters can be
// without one. And nothing takes so much from the voters that nobody could know any more what they have agreed on: the world spares
// their disks.

// damage is the loss of a voter's copy, which may get an older one in its place, from another disk. A disk that is wiped is no such loss:
// its voter never answers again, and who comes in its place votes only after it has caught up with a majority.
type damage struct {
	top      node.Timestamp   // of what was lost.
	left     []node.Timestamp // of what the other voters' disks held then.
	majority int
}

// damages is what has been lost of copies, by path.
type damages struct {
	byPath map[string][]damage
	spared int // wipes and rot that would have taken too much, and did not happen.
}

// copyOf is what replica n has of a path on its disk, if it can be read.
func (w *world) copyOf(n int, path string) (s node.Slot, ok bool) {
	s, ok = w.ends.held[n][path]
	return s, ok && !w.replicas[n].rotten[path]
}

// topOn is the highest version of a path on a disk; a tombstone that was dropped counts as there.
func (w *world) topOn(n int, path string) node.Timestamp {
	s, ok := w.copyOf(n, path)
	if ended := w.ends.ended[n][path]; !ok {
		return ended.Top()
	}
	return s.Top()
}

// damaged takes note of a copy that is about to be lost.
func (w *world) damaged(r *replica, path string) {
	c := w.configInForce()
	if c == nil || !c.Votes(r.id) {
		return
	}
	d := damage{top: w.topOn(r.number, path), majority: c.Majority()}
	for n := 1; n <= w.nodes; n++ {
		if n != r.number && c.Votes(w.replicas[n].id) {
			d.left = append(d.left, w.topOn(n, path))
		}
	}
	if w.damages.byPath == nil {
		w.damages.byPath = make(map[string][]damage)
	}
	w.damages.byPath[path] = append(w.damages.byPath[path], d)
}

// recencyExcused reports whether a quorum read may be without a version, since too many copies of it rotted: with the voter that lost its
// own, a majority of the voters had none.
func (w *world) recencyExcused(path string, ts node.Timestamp) bool {
	return slices.ContainsFunc(w.damages.byPath[path], func(d damage) bool {
		without := 1
		for _, top := range d.left {
			if top < ts {
				without++
			}
		}
		return d.top >= ts && without >= d.majority
	})
}

// forgetDisk takes note of a disk that is about to be wiped: acknowledged writes of which it holds the last copy are lost.
func (w *world) forgetDisk(r *replica) {
	for i := range w.ledger.paths {
		p := &w.ledger.paths[i]
		if _, holds := w.copyOf(r.number, p.path); !holds {
			continue
		}
		for _, index := range p.writes {
			if wr := &w.ledger.writes[index]; wr.fate == fateAcknowledged && !w.heldElsewhere(r, p.path, wr.version) {
				wr.lost = true
			}
		}
	}
}

// heldElsewhere reports whether another disk has a version, or one after it.
func (w *world) heldElsewhere(r *replica, path string, v node.Version) bool {
	for n := 1; n <= w.nodes; n++ {
		if s, ok := w.copyOf(n, path); n != r.number && (ok && (s.Top() > v.TS || s.Holds(v)) || w.ends.hasEnded(n, path, v.TS)) {
			return true
		}
	}
	return false
}

// nothingToRepair reports whether no other disk holds anything under a path: a tombstone has ended, or there was no more than a promise.
// What is rotten there stays so, and is reported to readers, until somebody writes.
func (w *world) nothingToRepair(r *replica, path string) bool {
	for n := 1; n <= w.nodes; n++ {
		if s, ok := w.copyOf(n, path); n != r.number && ok && s.Exists() {
			return false
		}
	}
	return true
}

// configInForce is the newest configuration that any replica knows, or knew when it went down.
func (w *world) configInForce() *node.Config {
	var newest *node.Config
	for n := 1; n <= w.nodes; n++ {
		if c := w.replicas[n].knownConfig(); c != nil && (newest == nil || c.Epoch > newest.Epoch) {
			newest = c
		}
	}
	return newest
}

func (r *replica) knownConfig() *node.Config {
	if r.node != nil {
		return r.node.Config()
	}
	return r.config
}

// mayWipe reports whether the voters can do without the disk of r: those that are left know everything that was agreed on, of every path,
// and no change of voters is under way.
func (w *world) mayWipe(r *replica) bool {
	c := w.configInForce()
	if c != nil && w.unknowing(r) >= w.firstVoters() {
		return false // as many as found a cluster would know of none, and may meet nobody who does.
	}
	if w.sc.Workload.Level == node.Eventual {
		return true
	}
	if c == nil || w.changingVoters(c) || !w.votersLeft(c, r, "") {
		return false
	}
	if w.sc.Workload.Level == node.Quorum { // nothing was promised there.
		return true
	}
	for n := 1; n <= w.nodes; n++ {
		other := &w.replicas[n]
		if other == r {
			continue
		}
		for i := range w.ledger.paths {
			path := w.ledger.paths[i].path
			if !w.speaksFor(other, path) && !w.votersLeft(c, r, path) {
				return false
			}
		}
	}
	return true
}

// unknowing counts the replicas that know no configuration, and one that is about to be so.
func (w *world) unknowing(soon *replica) (count int) {
	for n := 1; n <= w.nodes; n++ {
		if r := &w.replicas[n]; r == soon || r.knownConfig() == nil {
			count++
		}
	}
	return count
}

// mayRot reports whether the voters can do without the copy of a path that r has. Paths of other levels have no voters.
func (w *world) mayRot(r *replica, path string) bool {
	if w.sc.Workload.Level != node.Linearizable || w.sc.Workload.PathLevel(path) != node.Linearizable {
		return true
	}
	c := w.configInForce()
	return c != nil && !w.changingVoters(c) && w.votersLeft(c, r, path)
}

// votersLeft reports whether a majority of the voters is left without r: of those of the configuration, and of those before it as long as
// somebody may have to catch up.
func (w *world) votersLeft(c *node.Config, without *replica, path string) bool {
	left, before, caughtUp := 0, 0, true
	for n := 1; n <= w.nodes; n++ {
		r := &w.replicas[n]
		if r == without || !w.speaksFor(r, path) || w.departing.told && w.departing.number == n {
			continue // who is on its way out will not be asked any more.
		}
		if c.Votes(r.id) {
			left++
			caughtUp = caughtUp && r.node != nil && (c.Epoch == 1 || r.node.Status().CaughtUp >= c.Epoch)
		}
		if slices.Contains(c.Previous, r.id) {
			before++
		}
	}
	return left >= c.Majority() && (len(c.Previous) == 0 || caughtUp || before >= len(c.Previous)/2+1)
}

// speaksFor reports whether a replica knows what it has promised on a path.
func (w *world) speaksFor(r *replica, path string) bool {
	s := w.ends.held[r.number][path]
	return !r.rotten[path] && (s.Consensus == nil || !s.Consensus.Blind)
}

// voteKeys is the prefix of what a node has promised about the configuration after an epoch.
const voteKeys = "m/vote/"

// changingVoters reports whether some disk has anything to say about the configuration after c, or some member is about to ask the voters
// for another one.
func (w *world) changingVoters(c *node.Config) bool {
	for n := 1; n <= w.nodes; n++ {
		changing := false
		if m := w.replicas[n].node; m != nil && slices.ContainsFunc(m.OpenOperations(), func(o node.OpenOperation) bool {
			return o.Op == node.OpPromote || o.Op == node.OpDemote || strings.HasPrefix(o.Path, "\x00") // the register of the next one.
		}) {
			return true
		}
		err := w.replicas[n].disk.store.Scan(voteKeys, "", func(key string, _ []byte) bool {
			changing = key == voteKeys+strconv.FormatUint(c.Epoch, 10)
			return !changing
		})
		if err != nil {
			panic("sim: the memory store cannot be scanned: " + err.Error())
		}
		if changing {
			return true
		}
	}
	return false
}
