package world

import (
	"slices"
	"strconv"
	"strings"

	"kvs/node"
	"kvs/node/schema"
	"kvs/node/swim"
	"kvs/sim"
	"kvs/sim/kvs/ledger"
)

// The faults of disks, and what the cluster may lose by them: the rules of scenarios/ATLAS.md. An acknowledged write
// may be lost when its last copy was lost with a disk. A quorum read may go back when so many copies rotted that a
// majority of the voters may have none. And the world spares the disks of voters when their loss would make it
// impossible to know what they have agreed on.

// damage is the loss of a voter's copy, which may be replaced by an older one from another disk. A wiped disk is no
// such loss: its voter never answers again, and its successor votes only after it has caught up with a majority.
type damage struct {
	top      node.Timestamp   // the highest lost timestamp.
	left     []node.Timestamp // the timestamps on the other voters' disks then.
	majority int
}

// damages is the lost copies, by path.
type damages struct {
	byPath  map[string][]damage
	unheard int // identities that lost their disk before they had heard of the cluster that there is.
	spared  int // wipes and rot that did not happen, because too much would have been lost.
}

// copyOf is the slot of a path on replica n's disk, if it can be read.
func (w *World) copyOf(n int, path string) (s node.Slot, ok bool) {
	s, ok = w.Disks.At(n, path)
	return s, ok && !w.Replicas[n].Rotten[path]
}

// topOn is the highest version of a path on a disk; a dropped tombstone counts as present.
func (w *World) topOn(n int, path string) node.Timestamp {
	s, ok := w.copyOf(n, path)
	if ended := w.Disks.Ended[n][path]; !ok {
		return ended.Top()
	}
	return s.Top()
}

// damaged records a copy that is about to be lost.
func (w *World) damaged(r *Replica, path string) {
	c := w.configInForce()
	if c == nil || !c.Votes(r.ID) {
		return
	}
	d := damage{top: w.topOn(r.Number, path), majority: c.Majority()}
	for n := 1; n <= w.Nodes(); n++ {
		if n != r.Number && c.Votes(w.Replicas[n].ID) {
			d.left = append(d.left, w.topOn(n, path))
		}
	}
	if w.damages.byPath == nil {
		w.damages.byPath = make(map[string][]damage)
	}
	w.damages.byPath[path] = append(w.damages.byPath[path], d)
}

// RecencyExcused reports whether a quorum read may miss a version because too many copies of it rotted: a majority of
// the voters had none, counting the voter that lost its copy.
func (w *World) RecencyExcused(path string, ts node.Timestamp) bool {
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

// forgetDisk handles a disk that is about to be wiped: acknowledged writes of which it holds the last copy are lost.
func (w *World) forgetDisk(r *Replica) {
	if r.KnownConfig() == nil && w.configInForce() != nil {
		w.damages.unheard++
	}
	for i := range w.Ledger.Paths {
		p := &w.Ledger.Paths[i]
		if _, holds := w.copyOf(r.Number, p.Path); !holds {
			continue
		}
		for _, index := range p.Writes {
			wr := &w.Ledger.Writes[index]
			if wr.Fate == ledger.Acknowledged && !w.heldElsewhere(r, p.Path, wr.Version) {
				wr.Lost = true
			}
		}
	}
}

// heldElsewhere reports whether another disk has a version, or a later one.
func (w *World) heldElsewhere(r *Replica, path string, v node.Version) bool {
	for n := 1; n <= w.Nodes(); n++ {
		if s, ok := w.copyOf(n, path); n != r.Number &&
			(ok && (s.Top() > v.TS || s.Holds(v)) || w.Disks.HasEnded(n, path, v.TS)) {
			return true
		}
	}
	return false
}

// nothingToRepair reports whether no other disk holds anything under a path: a tombstone was collected, or there was
// only a promise. A rotten record there stays, and is reported to readers, until the path is written.
func (w *World) nothingToRepair(r *Replica, path string) bool {
	for n := 1; n <= w.Nodes(); n++ {
		if s, ok := w.copyOf(n, path); n != r.Number && ok && s.Exists() {
			return false
		}
	}
	return true
}

// configInForce is the newest configuration that any replica knows, or knew when it went down.
func (w *World) configInForce() *node.Config {
	var newest *node.Config
	for n := 1; n <= w.Nodes(); n++ {
		if c := w.Replicas[n].KnownConfig(); c != nil && (newest == nil || c.Epoch > newest.Epoch) {
			newest = c
		}
	}
	return newest
}

// KnownConfig is the configuration that a replica knows, or knew when it went down.
func (r *Replica) KnownConfig() *node.Config {
	if r.Node != nil {
		return r.Node.Config()
	}
	return r.Config
}

// mayWipe reports whether the cluster can lose the disk of r: the remaining voters know everything that was chosen, for
// every path, and no change of voters is under way.
func (w *World) mayWipe(r *Replica) bool {
	c := w.configInForce()
	strangers := w.unknowing(r) + w.damages.unheard
	if r.KnownConfig() == nil {
		strangers++ // its former identity may have given its word.
	}
	if c != nil && strangers >= w.firstVoters() {
		return false // enough members to found a cluster would know of none, and might not meet one that does.
	}
	if w.Own.Workload.Level == node.Eventual {
		return true
	}
	if c == nil || w.changingVoters(c) || !w.votersLeft(c, r, "") {
		return false
	}
	if w.Own.Workload.Level == node.Quorum { // there are no promises there.
		return true
	}
	for n := 1; n <= w.Nodes(); n++ {
		other := &w.Replicas[n]
		if other == r {
			continue
		}
		for i := range w.Ledger.Paths {
			path := w.Ledger.Paths[i].Path
			if !w.SpeaksFor(other, path) && !w.votersLeft(c, r, path) {
				return false
			}
		}
	}
	return true
}

// MayPutBack implements sim.Sparer: where no member remembers a run of the member that its copy does not have,
// none can tell it from one that has been down; and one that has never met a member asks none. All others run, so none
// comes back meanwhile who remembers less.
func (w *World) MayPutBack(of *sim.Replica, copied sim.Reader) bool {
	id, known, err := node.StoredIdentity(copied)
	next, err2 := node.StoredRun(copied)
	if err != nil || err2 != nil || next == 0 || id != w.Replicas[of.Number].ID || len(known) == 0 {
		return false
	}
	for n := 1; n <= w.Nodes(); n++ {
		r := &w.Replicas[n]
		if n == of.Number {
			continue
		}
		if r.Node == nil || r.Paused() || !slices.ContainsFunc(r.Node.Status().Members, func(m swim.Member) bool {
			return m.ID == id && swim.RunOf(m.Incarnation) >= next
		}) {
			return false
		}
	}
	return true
}

// unknowing counts the replicas that know no configuration, and one that is about to be so.
func (w *World) unknowing(soon *Replica) (count int) {
	for n := 1; n <= w.Nodes(); n++ {
		if r := &w.Replicas[n]; r == soon || r.KnownConfig() == nil {
			count++
		}
	}
	return count
}

// mayRot reports whether the cluster can lose r's copy of a path: enough voters are left that see. Paths of other
// levels have no voters.
func (w *World) mayRot(r *Replica, path string) bool {
	if w.Own.Workload.Level != node.Linearizable || w.Own.Workload.PathLevel(path) != node.Linearizable {
		return true
	}
	c := w.configInForce()
	return c != nil && !w.changingVoters(c) && w.seersLeft(c, r, path)
}

// seers is how many of some voters together know everything that was chosen: one of them is in each majority.
func seers(voters int) int { return voters - (voters/2 + 1) + 1 }

// seersLeft reports whether rot of r's copy leaves enough voters that see a path. Those that are blind see again once
// they accept something. Fewer than a majority count only if they have caught up, and as long as no other member is
// blind there: it may be the next voter, and until it has caught up it is one more that does not know.
func (w *World) seersLeft(c *node.Config, without *Replica, path string) bool {
	if w.votersLeft(c, without, path) {
		return true
	}
	left := 0
	for n := 1; n <= w.Nodes(); n++ {
		r := &w.Replicas[n]
		switch {
		case r == without:
		case !w.SpeaksFor(r, path):
			return false
		case !r.Older && c.Votes(r.ID) && w.inStep(r, c) && !(w.departing.told && w.departing.number == n):
			left++
		}
	}
	return left >= seers(len(c.Voters))
}

// inStep reports whether a voter runs and has caught up with a configuration.
func (w *World) inStep(r *Replica, c *node.Config) bool {
	return c.Epoch == 1 || r.Node != nil && r.Node.Status().CaughtUp >= c.Epoch
}

// mayDemote reports whether the other voters know everything that was chosen, for every path: an operator looks first.
func (w *World) mayDemote(c *node.Config, id node.ID) bool {
	for i := range w.Ledger.Paths {
		left := 0
		for n := 1; n <= w.Nodes(); n++ {
			r := &w.Replicas[n]
			if r.ID != id && c.Votes(r.ID) && w.SpeaksFor(r, w.Ledger.Paths[i].Path) {
				left++
			}
		}
		if left < seers(len(c.Voters)-1) {
			return false
		}
	}
	return true
}

// votersLeft reports whether a majority of the voters is left without r: of the configuration's voters, and of the
// former voters as long as a voter may have to catch up.
func (w *World) votersLeft(c *node.Config, without *Replica, path string) bool {
	left, before, caughtUp := 0, 0, true
	for n := 1; n <= w.Nodes(); n++ {
		r := &w.Replicas[n]
		if r == without || r.Older || !w.SpeaksFor(r, path) || w.departing.told && w.departing.number == n {
			continue // a member that is leaving will not be asked any more.
		}
		if c.Votes(r.ID) {
			left++
			caughtUp = caughtUp && r.Node != nil && w.inStep(r, c)
		}
		if slices.Contains(c.Previous, r.ID) {
			before++
		}
	}
	return left >= c.Majority() && (len(c.Previous) == 0 || caughtUp || before >= len(c.Previous)/2+1)
}

// SpeaksFor reports whether a replica knows its promise on a path.
func (w *World) SpeaksFor(r *Replica, path string) bool {
	s, _ := w.Disks.At(r.Number, path)
	return !r.Rotten[path] && (s.Consensus == nil || !s.Consensus.Blind)
}

// changingVoters reports whether a disk has a slot for the configuration after c, or a member is about to propose one.
func (w *World) changingVoters(c *node.Config) bool {
	for n := 1; n <= w.Nodes(); n++ {
		changing := false
		if m := w.Replicas[n].Node; m != nil && slices.ContainsFunc(m.OpenOperations(),
			func(o node.OpenOperation) bool {
				// the register of the next one.
				return o.Op == node.OpPromote || o.Op == node.OpDemote || strings.HasPrefix(o.Path, "\x00")
			}) {
			return true
		}
		err := w.Replicas[n].Store().Scan(schema.KeyConfigVotePrefix, "", func(key string, _ []byte) bool {
			changing = key == schema.KeyConfigVotePrefix+strconv.FormatUint(c.Epoch, 10)
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
