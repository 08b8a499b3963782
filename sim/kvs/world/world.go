package world

import (
	"slices"
	"time"

	"kvs/linearize"
	"kvs/node"
	"kvs/node/host/seal"
	"kvs/node/schema"
	"kvs/node/slot"
	"kvs/node/wire"
	"kvs/scenarios"
	"kvs/sim"
	"kvs/sim/kvs/ledger"
	"kvs/sim/pool"
)

// World is the state of a cluster of kvs that the simulator itself does not have.
type World struct {
	*sim.World
	Own *scenarios.Sections // of the scenario.

	Replicas []Replica // by number, from 1.
	clients  []*Client
	Watchers []*Watcher
	unknown  map[string]int // linearizable writes of unknown outcome, by path.
	keyed    ledger.Keyed
	load     *scenarios.Generator // of the first client; the others share its paths.
	decoded  map[string]*decodedSlot

	Ledger ledger.Ledger
	Born   map[node.ID]uint64 // of every identity of the run.

	Disks    Disks
	answered map[string]node.Timestamp // by path: the highest timestamp in an answer to a client.
	lineage  lineage
	refusals map[anyRefused]bool // those that say what was there.

	Founders bool // nodes with empty disks begin a cluster instead of looking for one: for tests of other parts.

	Recorded *Recorded // nil: members are not recorded.

	// Memory that many share.
	calls      pool.Slab[Call]
	peers      pool.Slab[node.ID]
	candidates pool.Slab[slot.Candidate]
	decodings  pool.Slab[decodedSlot]
	values     pool.Text

	damages   damages
	departing departure      // the member that is leaving.
	judged    *Evidence      // the final state, after the run.
	settling  []NodeEvidence // of Unsettled: memory that is used again.

	// Reused events.
	slot    StoredSlot
	erased  ErasedPath
	look    Look
	shown   ShownVersion
	listed  ShownList
	watched WatchShown
	read    node.Record // the record of shown, for a read beside the loop.
}

// New makes the world of a run before its first event.
func New(of *sim.World) *World {
	w := &World{
		World: of, Own: scenarios.Of(of.Scenario()), Ledger: ledger.New(),
		Born: make(map[node.ID]uint64), decoded: make(map[string]*decodedSlot), unknown: make(map[string]int),
		Disks:    newDisks(of.Nodes(), scenarios.Of(of.Scenario()).Workload.Keys),
		answered: make(map[string]node.Timestamp), lineage: make(lineage),
	}
	w.Replicas = make([]Replica, w.Nodes()+1)
	for n := 1; n <= w.Nodes(); n++ {
		w.Replicas[n] = Replica{Replica: of.Replica(n), Rotten: make(map[string]bool)}
	}
	w.expect()
	return w
}

// expect makes room for about as many operations as clients will begin when they get their answers in time.
func (w *World) expect() {
	const operationsMax = 1 << 14
	sc, load := w.Scenario(), &w.Own.Workload
	each := (load.Think + load.ThinkMax + 2*sc.Network.Delay + 2*sc.Network.DelayMax) / 2
	operations := min(int(time.Duration(sc.Clients)*sc.Duration/max(each, time.Millisecond)), operationsMax)
	w.ExpectOperations(operations)
	all := load.Get + load.Put + load.Delete + load.List + load.CAS + load.CASDelete
	w.Ledger.Grow(operations * (all - load.Get - load.List) / max(all, 1))
}

// paths is how many paths tables have room for at first.
func (w *World) paths() int { return min(w.Own.Workload.Keys, 128) }

// Recovering reports whether the safety phase is over.
func (w *World) Recovering() bool { return w.Phase() != sim.PhaseSafety }

// seeds are the addresses in the configuration of replica n.
func (w *World) seeds(n int) []string {
	var out []string
	for other := 1; other <= min(w.Nodes(), w.Own.Tuning.Seeds); other++ {
		if other != n {
			out = append(out, sim.Address(other))
		}
	}
	return out
}

// Tuning is that of production, with the changes of the scenario.
func (w *World) Tuning() node.Tuning {
	t := node.DefaultTuning()
	t.SyncInterval = w.Own.Tuning.Sync
	t.HintTTL, t.BootstrapRate = w.Own.Tuning.Hints, w.Own.Tuning.Rate
	t.TombstoneGrace = w.Own.Tuning.Grace
	t.MaxClockOffset = w.Own.Tuning.Clock
	t.Forwards = w.Own.Tuning.Forward
	t.ChangesMax = watchLogMax
	// a scenario in which comparisons are rare means all of them.
	t.SyncPatience = max(t.SyncPatience, t.SyncInterval/10)
	t.SyncIntervalMax = max(t.SyncIntervalMax, t.SyncInterval)
	return t
}

// MessageKind is the name of a message's kind.
func MessageKind(data []byte) string {
	if len(data) < 2 {
		return "cut short"
	}
	return wire.Kind(data[1]).String()
}

// Describe implements sim.Cluster.
func (w *World) Describe(data []byte) (kind, detail string) {
	if seal.IsSealed(data) {
		return "sealed", ""
	}
	return MessageKind(data), wire.FrameDetail(data)
}

// digest is a hash of the records on a replica's disk that it should have in common with the others.
func (w *World) digest(n int) uint64 {
	r := &w.Replicas[n]
	if now := r.Store().Changes() + 1; r.digestAt != now || len(r.Rotten) > 0 {
		r.digestAt = now
		r.digest = r.Store().DigestOf(schema.PrefixRecord, func(key string, value []byte) []byte {
			if path := key[len(schema.PrefixRecord):]; r.Rotten[path] && w.nothingToRepair(r, path) {
				return nil
			}
			return slot.Common(key[len(schema.PrefixRecord):], value)
		})
	}
	return r.digest
}

// Complete implements sim.Historian.
func (w *World) Complete(h *linearize.History) {
	w.withRefusals(h)
	w.withEnds(h)
	for i := range h.Promises { // the others are judged without the history.
		if p := &h.Promises[i]; p.Name == linearize.PromiseLinearizable || p.Name == linearize.PromiseNotLinearizable {
			p.Path = w.Own.Workload.LinearizablePrefix()
		}
	}
}

// Judge implements sim.Historian.
func (w *World) Judge(h *linearize.History) *linearize.Result {
	return linearize.Check(h, linearize.Options{Prefix: w.Own.Workload.LinearizablePrefix()})
}

// members is the member table of every replica.
func (w *World) members() []NodeEvidence { return w.membersInto(nil) }

// membersInto is members into memory that is used again.
func (w *World) membersInto(out []NodeEvidence) []NodeEvidence {
	if out == nil {
		out = make([]NodeEvidence, w.Nodes())
	}
	for n := 1; n <= w.Nodes(); n++ {
		r, e := &w.Replicas[n], &out[n-1]
		status := e.Status
		*e = NodeEvidence{Number: n, ID: r.ID, Up: r.Node != nil, Electorate: r.Electorate}
		if e.Up {
			r.Node.StatusInto(&status)
			e.Members, e.Status = status.Members, status
		}
	}
	return out
}

// MayWipe implements sim.Sparer.
func (w *World) MayWipe(r *sim.Replica) bool {
	if w.mayWipe(&w.Replicas[r.Number]) {
		return true
	}
	w.damages.spared++
	return false
}

// MayRot implements sim.Rotter: a record of which another member has a good copy: no promise covers the loss of the
// only one. The member loses its vote there.
func (w *World) MayRot(of *sim.Replica) []string {
	r := &w.Replicas[of.Number]
	var keys []string
	scan(r, schema.PrefixRecord, func(key string, _ []byte) bool {
		keys = append(keys, key)
		return true
	})
	return slices.DeleteFunc(keys, func(key string) bool {
		path, _ := CutRecordPrefix(key)
		return !w.elsewhere(r, key) || !w.mayRot(r, path)
	})
}

// elsewhere reports whether another replica has a readable copy of r's record under key, or a newer version.
func (w *World) elsewhere(r *Replica, key string) bool {
	path, _ := CutRecordPrefix(key)
	ours, ok := readSlot(r, path)
	for n := 1; ok && n <= w.Nodes(); n++ {
		if theirs, readable := readSlot(&w.Replicas[n], path); n != r.Number && readable && theirs.Top() >= ours.Top() {
			return true
		}
	}
	return false
}

// readSlot reads a slot from a replica's disk.
func readSlot(r *Replica, path string) (node.Slot, bool) {
	b, found, err := r.Store().Get(schema.PrefixRecord + path)
	if err != nil || !found {
		return node.Slot{}, false
	}
	slot, err := slot.Decode(path, b)
	return slot, err == nil
}

// scan calls fn for the keys with a prefix on a replica's disk.
func scan(r *Replica, prefix string, fn func(key string, value []byte) bool) {
	if err := r.Store().Scan(prefix, "", fn); err != nil {
		panic("kvs: the memory store cannot be scanned: " + err.Error())
	}
}
