package checks

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/linearize"
	"kvs/node"
	"kvs/node/hlc"
	"kvs/node/schema"
	"kvs/node/slot"
	"kvs/node/swim"
	"kvs/scenarios"
	"kvs/sim"
	"kvs/sim/kvs/ledger"
	"kvs/sim/kvs/world"
	"kvs/sim/memstore"
)

// Every checker is shown something that must trip it, beside something that must not.

func TestConvergedFires(t *testing.T) {
	for what, breakIt := range map[string]func(n *world.NodeEvidence){
		"another value":   func(n *world.NodeEvidence) { n.Records[2].Record.Value = []byte("x") },
		"another version": func(n *world.NodeEvidence) { n.Records[2].Record.TS++ },
		"one missing":     func(n *world.NodeEvidence) { n.Records = append(n.Records[:2:2], n.Records[3:]...) },
		"one more": func(n *world.NodeEvidence) {
			n.Records = append(n.Records, world.PathRecord{Path: "zzz", Record: n.Records[0].Record})
		},
	} {
		_, e := lived(t)
		breakIt(&e.Nodes[2])
		requireBroken(t, checkConverged(e), promised(scenarios.Converged), "n3")
		require.Len(t, checkConverged(e), 1, what)
	}
}

func TestLostWriteFires(t *testing.T) {
	w, e := lived(t)
	var top *ledger.Write
	for _, p := range e.Ledger.Paths {
		if top = e.Ledger.Highest(p.Writes); top != nil {
			break
		}
	}
	for i := range e.Nodes { // all agree, and all have an older version.
		n := &e.Nodes[i]
		for j := range n.Records {
			if n.Records[j].Path == top.Path {
				n.Records[j].Record.TS = top.Version.TS - 1
				n.Records[j].Slot.TS = top.Version.TS - 1
			}
		}
	}
	require.Empty(t, checkConverged(e))
	require.Len(t, checkLostWrites(e), 3)
	requireBroken(t, checkLostWrites(e), promised(scenarios.NoLostWrite), top.Path)

	for n := 1; n <= w.Nodes(); n++ {
		w.Observe(&sim.Event{Kind: sim.EventWiped, Replica: w.Replicas[n].Replica})
		require.Equal(t, n < w.Nodes(), len(checkLostWrites(e)) > 0, "what the last disk held is nobody's promise")
	}
}

// evidenceOf is that of one member with these records.
func evidenceOf(l *ledger.Ledger, records ...world.PathRecord) *world.Evidence {
	return &world.Evidence{Ledger: l, Nodes: []world.NodeEvidence{{Number: 1, Records: records}}}
}

func TestResurrectionFires(t *testing.T) {
	l := ledger.New()
	acknowledge := func(i int32, ts uint64) { l.Acknowledge(i, node.Version{TS: node.Timestamp(ts)}, 7) }
	put := l.Begin("a", false, "v1", []byte("v1"), 1, 1)
	acknowledge(put, 10)
	acknowledge(l.Begin("a", true, "", nil, 1, 1), 20)
	unknown := l.Begin("a", false, "v2", []byte("v2"), 1, 1)
	l.Answer(unknown, linearize.Info)
	show := func(value string, ts uint64) []sim.Violation {
		rec := node.Record{TS: node.Timestamp(ts), Value: []byte(value)}
		return checkResurrection(evidenceOf(&l, world.PathRecord{Path: "a", Record: rec, Slot: slot.Of(&rec)}))
	}
	requireBroken(t, show("v1", 10), promised(scenarios.NoResurrection), "v1")
	requireBroken(t, show("v1", 30), promised(scenarios.NoResurrection), "v1")
	requireBroken(t, show("v2", 15), promised(scenarios.NoResurrection), "v2")
	require.Empty(t, show("v2", 30), "a write of unknown fate may come at any time")
	beside := l.Begin("a", false, "v3", []byte("v3"), 2, 1)
	acknowledge(beside, 20)
	both := func(deletes ...node.Candidate) []sim.Violation {
		rec := node.Record{TS: 20, Value: []byte("v3")}
		slot := node.Slot{TS: 20, Candidates: deletes,
			Consensus: &node.Consensus{Ballot: node.Ballot{Epoch: 1, TS: 20}, Record: rec}}
		return checkResurrection(evidenceOf(&l, world.PathRecord{Path: "a", Record: rec, Slot: slot}))
	}
	require.Empty(t, both(node.Candidate{Tombstone: true}), "the delete is in the other half")
	requireBroken(t, show("v3", 20), promised(scenarios.NoResurrection), "v3")
	l.Answer(unknown, linearize.Fail)
	requireBroken(t, show("v2", 30), promised(scenarios.NoResurrection), "refused")
}

func TestHLCFires(t *testing.T) {
	version := func(ts uint64) node.Version { return node.Version{TS: node.Timestamp(ts)} }
	c := newHLCCheck(bare(t))
	c.stored(1, 7, "a", version(10))
	c.stored(1, 7, "b", version(11))
	c.acknowledged(1, 7, "a", version(10), node.Eventual)
	c.acknowledged(1, 7, "b", version(11), node.Eventual)
	c.stored(2, 8, "a", version(5))
	require.Empty(t, c.w.Violations(), "each identity has a clock of its own")
	c.stored(1, 7, "c", version(11))
	requireBroken(t, c.w.Violations(), promised(scenarios.HLCMonotone), `"c" issued 0.00011 after 0.00011`)
	c.stored(1, 7, "d", version(4))
	requireBroken(t, c.w.Violations(), promised(scenarios.HLCMonotone), `"d" issued`)
	c.acknowledged(1, 7, "e", version(11), node.Eventual)
	requireBroken(t, c.w.Violations(), promised(scenarios.HLCMonotone), `"e" acknowledged 0.00011 after`)
	c.acknowledged(1, 7, "f", version(12), node.Eventual)
	requireBroken(t, c.w.Violations(), promised(scenarios.HLCMonotone), `"f" acknowledged 0.00012, which is not stored`)
}

func TestMembershipFires(t *testing.T) {
	for detail, breakIt := range map[string]func(n *world.NodeEvidence){
		"sees n1 dead":    func(n *world.NodeEvidence) { memberOf(n, "n1").State = swim.Dead },
		"sees n1 suspect": func(n *world.NodeEvidence) { memberOf(n, "n1").State = swim.Suspect },
		"does not know n1": func(n *world.NodeEvidence) {
			memberOf(n, "n1").ID = 99
			memberOf(n,
				"n1").State = swim.Dead
		},
		"an identity that is gone": func(n *world.NodeEvidence) {
			n.Members = append(n.Members,
				swim.Member{ID: 99, Name: "n1"})
		},
		"is down": func(n *world.NodeEvidence) { n.Up = false },
	} {
		_, e := lived(t)
		breakIt(&e.Nodes[1])
		requireBroken(t, world.Disagreements(e.Nodes), promised(scenarios.MembershipAgreed),
			"n2 "+strings.TrimPrefix(detail, "an identity that is gone"))
		requireBroken(t, world.Disagreements(e.Nodes), promised(scenarios.MembershipAgreed), detail)
	}
	_, e := lived(t)
	e.Nodes[0].Members = append(e.Nodes[0].Members, swim.Member{ID: 99, Name: "n1", State: swim.Dead})
	require.Empty(t, world.Disagreements(e.Nodes), "a former self may be remembered as dead")
}

func memberOf(n *world.NodeEvidence, name string) *swim.Member {
	for i := range n.Members {
		if n.Members[i].Name == name {
			return &n.Members[i]
		}
	}
	panic("no member " + name)
}

func TestBoundsFire(t *testing.T) {
	fine := node.Status{Peers: []node.PeerStatus{{ID: 1, QueueEntries: 10, QueueBytes: 1000}}}
	require.Empty(t, checkBounds(1, &fine, backlog{gate: 5, disk: 5, inbox: 5}, node.DefaultTuning()))
	full := node.Status{Peers: []node.PeerStatus{{ID: 1, QueueEntries: 10, QueueBytes: 1 << 30}}}
	requireBroken(t, checkBounds(1, &full, backlog{}, node.DefaultTuning()), promiseBounded, "its queue")
	requireBroken(t, checkBounds(1, &fine, backlog{gate: backlogMax + 1}, node.DefaultTuning()), promiseBounded,
		"wait for its disk")
	requireBroken(t, checkBounds(1, &fine, backlog{disk: backlogMax + 1}, node.DefaultTuning()), promiseBounded,
		"wait for its disk")
	hoarder := node.Status{Peers: []node.PeerStatus{{ID: 1, QueueEntries: 10, QueueBytes: 1000, Away: time.Hour +
		time.Minute}}}
	requireBroken(t, checkBounds(1, &hoarder, backlog{}, node.DefaultTuning()), promiseBounded, "hints")
	bad := node.Status{Counters: node.Counters{FramesBad: 1}}
	requireBroken(t, checkBounds(1, &bad, backlog{}, node.DefaultTuning()), promiseBounded, "frames")
}

func TestKnownValuesFire(t *testing.T) {
	w, e := lived(t)
	k := newValuesCheck(w.World)
	get := &world.Client{Op: scenarios.Op{Kind: scenarios.OpGet, Path: e.Nodes[0].Records[0].Path, Node: 1}}
	k.read(get, []byte("nobody"))
	requireBroken(t, w.Violations(), promiseKnownValues, "no client ever wrote")

	var put *ledger.Write
	for i := range w.Ledger.Writes {
		if !w.Ledger.Writes[i].Delete && len(w.Ledger.Writes[i].Value) > 10 {
			put = &w.Ledger.Writes[i]
		}
	}
	get.Op.Path = put.Path + "x"
	k.read(get, put.Value)
	requireBroken(t, w.Violations(), promiseKnownValues, "not here")

	l := ledger.New()
	l.Begin("a", false, "c1.1", []byte("c1.1......"), 1, 1)
	_, wrong := l.Source("a", []byte("c1.1...."))
	require.Contains(t, wrong, "is not what was written")
	_, wrong = l.Source("a", []byte("c1.1......"))
	require.Empty(t, wrong)

	refused := l.Begin("b", false, "c1.2", []byte("c1.2"), 1, 1)
	l.Answer(refused, linearize.Fail)
	hold := func(r node.Record) []sim.Violation {
		return checkKnownValues(evidenceOf(&l, world.PathRecord{Path: "b", Record: r}))
	}
	requireBroken(t, hold(node.Record{TS: 5, Value: []byte("c1.2")}), promiseKnownValues, "refused")
	requireBroken(t, hold(node.Record{TS: 5, Tombstone: true}), promiseKnownValues, "no delete")
	l.Writes[refused].Seen = true
	requireBroken(t, hold(node.Record{TS: 5, Value: []byte("c1.1......")}), promiseKnownValues, "did not happen")
}

func TestSessionFires(t *testing.T) {
	w, e := lived(t)
	c := newSessionCheck(w.World)
	path, v := e.Nodes[0].Records[0].Path, e.Nodes[0].Records[0].Record.Version()
	c.shows(1, path, v)
	require.Empty(t, w.Violations())
	v.TS--
	c.shows(1, path, v)
	requireBroken(t, w.Violations(), promiseSession, path)
}

// What a disk has shown is the disk's, and is forgotten with what was lost of it.
func TestSessionsFollowDisks(t *testing.T) {
	w := bare(t)
	c := newSessionCheck(w)
	show := func(n int, ts node.Timestamp) []sim.Violation {
		w.TakeViolations()
		c.shows(n, "a", node.Version{TS: ts})
		return w.Violations()
	}
	require.Empty(t, show(1, 9))
	require.Empty(t, show(2, 5))
	c.Observe(&sim.Event{Kind: sim.EventSwapped, Replica: w.Replicas[1].Replica, Other: w.Replicas[2].Replica})
	require.Empty(t, show(1, 5))
	requireBroken(t, show(2, 8), promiseSession, "after")
	c.Observe(&sim.Event{Kind: sim.EventRotten, Replica: w.Replicas[2].Replica, Key: schema.PrefixRecord + "a"})
	require.Empty(t, show(2, 8), "a copy of another member comes in its place")
	c.Observe(&sim.Event{Kind: sim.EventWiped, Replica: w.Replicas[2].Replica})
	require.Empty(t, show(2, 1))
	requireBroken(t, show(1, 4), promiseSession, "after")
}

// What was proposed and is not agreed yet may be shown, and taken back under a higher ballot: then the version before
// it counts. What was acknowledged is not taken back, and neither is what no higher ballot has replaced.
func TestAProposalMayBeTakenBack(t *testing.T) {
	w := bare(t)
	c := newSessionCheck(w)
	at := func(ts uint64) node.Version { return node.Version{TS: node.Timestamp(ts), UUID: node.UUID{byte(ts)}} }
	accept := func(ballot, ts uint64) {
		v := at(ts)
		w.Disks.Stored(1, "a", &node.Slot{Consensus: &node.Consensus{
			Ballot: node.Ballot{Epoch: 1, TS: node.Timestamp(ballot)}, Record: node.Record{TS: v.TS, UUID: v.UUID},
		}})
	}
	show := func(ts uint64) []sim.Violation {
		w.TakeViolations()
		c.shows(1, "a", at(ts))
		return w.Violations()
	}
	accept(3, 3)
	require.Empty(t, show(3))
	first := w.Ledger.Begin("a", false, "v3", []byte("v3"), 1, 1)
	w.Ledger.Acknowledge(first, at(3), 7)
	accept(9, 9)
	require.Empty(t, show(9))
	requireBroken(t, show(3), promiseSession, "after") // nothing has replaced it.
	accept(11, 3)
	require.Empty(t, show(3), "another proposer has made the former version stand")
	requireBroken(t, show(2), promiseSession, "after") // what was agreed on stays.

	accept(12, 12)
	require.Empty(t, show(12))
	accept(14, 14)
	require.Empty(t, show(14))
	accept(15, 3)
	require.Empty(t, show(3), "two proposals, one after the other")
	accept(16, 16)
	require.Empty(t, show(16))
	w.Ledger.Acknowledge(w.Ledger.Begin("a", false, "v16", []byte("v16"), 1, 1), at(16), 7)
	accept(18, 3)
	requireBroken(t, show(3), promiseSession, "after") // it was acknowledged.
}

func TestListingFires(t *testing.T) {
	store := memstore.New()
	for i, path := range []string{"a", "a/b", "a/c/d", "b"} {
		rec := node.Record{TS: hlc.Timestamp(i + 1), UUID: node.UUID{1}, Origin: 1, Tombstone: path == "b"}
		change := node.Change{Key: schema.PrefixRecord + path, Value: encodeRecord(path, &rec)}
		require.NoError(t, store.Apply([]node.Change{change}))
	}
	for _, recursive := range []bool{false, true} {
		for _, dir := range []string{"", "a/", "a/c/", "x/"} {
			page, err := node.NewView(store, slot.NewElectorate(nil)).List(node.ListRequest{Directory: dir,
				Recursive: recursive, Limit: 100})
			require.NoError(t, err)
			require.Empty(t, compareListing(store, slot.NewElectorate(nil), dir, recursive, page.Entries), "%q", dir)
			extra := append(page.Entries[:len(page.Entries):len(page.Entries)], node.Entry{Path: dir + "zz"})
			require.NotEmpty(t, compareListing(store, slot.NewElectorate(nil), dir, recursive, extra),
				"one too many in %q", dir)
			if n := len(page.Entries); n > 0 {
				require.NotEmpty(t, compareListing(store, slot.NewElectorate(nil), dir, recursive,
					page.Entries[:n-1]), "one too few in %q", dir)
				page.Entries[0].Version.TS += 5
				require.NotEmpty(t, compareListing(store, slot.NewElectorate(nil), dir, recursive, page.Entries),
					"a wrong version in %q", dir)
			}
		}
	}
}

// The halves of a slot are compared with all that members have in common of them.
func TestSameSlotSeesEveryField(t *testing.T) {
	half := func(change func(c *node.Consensus)) *node.Slot {
		c := node.Consensus{Promised: node.Ballot{Epoch: 1, TS: 9}, Ballot: node.Ballot{Epoch: 1, TS: 5},
			Applied: []node.Applied{{Key: node.UUID{1}}},
			Record: node.Record{TS: 5, UUID: node.UUID{2}, Origin: 7, Value: []byte("v"), ContentType: "text/plain",
				Expires: 10}}
		change(&c)
		return &node.Slot{Consensus: &c}
	}
	same := half(func(*node.Consensus) {})
	require.True(t, sameSlot(same, half(func(c *node.Consensus) { c.Promised.TS, c.Weak = 11, true })),
		"a member's own")
	for what, change := range map[string]func(c *node.Consensus){
		"ballot":       func(c *node.Consensus) { c.Ballot.TS++ },
		"applied":      func(c *node.Consensus) { c.Applied = nil },
		"version":      func(c *node.Consensus) { c.Record.TS++ },
		"origin":       func(c *node.Consensus) { c.Record.Origin++ },
		"value":        func(c *node.Consensus) { c.Record.Value = nil },
		"content type": func(c *node.Consensus) { c.Record.ContentType = "" },
		"expires":      func(c *node.Consensus) { c.Record.Expires++ },
		"tombstone":    func(c *node.Consensus) { c.Record.Tombstone = true },
	} {
		require.False(t, sameSlot(same, half(change)), what)
	}
}
