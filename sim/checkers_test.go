package sim

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/linearize"
	"kvs/node"
	"kvs/node/hlc"
	"kvs/node/swim"
	"kvs/scenarios"
	"kvs/sim/memstore"
)

// Every checker is shown something that must trip it, beside something that must not.

// lived returns what a quiet run of three nodes leaves behind, which every checker finds in order.
func lived(t *testing.T) (*world, *Evidence) {
	t.Helper()
	sc, err := scenarios.Load("quiet")
	require.NoError(t, err)
	sc = Draw(5, sc)
	w := newWorld(Options{Seed: 5, Scenario: &sc})
	w.live()
	e := w.evidence()
	require.Empty(t, e.judge())
	require.Empty(t, w.violations)
	require.True(t, w.settled)
	require.Greater(t, len(e.Nodes[0].Records), 10)
	return w, e
}

func requireBroken(t *testing.T, got []Violation, promise, detail string) {
	t.Helper()
	for _, v := range got {
		if v.Promise == promise && strings.Contains(v.String(), detail) {
			return
		}
	}
	require.Failf(t, "the checker saw nothing", "want %s with %q, got %v", promise, detail, got)
}

func promised(p scenarios.Promise) string { return p.String() }

func TestConvergedFires(t *testing.T) {
	for what, breakIt := range map[string]func(n *NodeEvidence){
		"another value":   func(n *NodeEvidence) { n.Records[2].Record.Value = []byte("x") },
		"another version": func(n *NodeEvidence) { n.Records[2].Record.TS++ },
		"one missing":     func(n *NodeEvidence) { n.Records = append(n.Records[:2:2], n.Records[3:]...) },
		"one more": func(n *NodeEvidence) {
			n.Records = append(n.Records, PathRecord{Path: "zzz", Record: n.Records[0].Record})
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
	var top *write
	for _, p := range e.ledger.paths {
		if top = e.ledger.highest(p.writes); top != nil {
			break
		}
	}
	for i := range e.Nodes { // all agree, and all have an older version.
		n := &e.Nodes[i]
		for j := range n.Records {
			if n.Records[j].Path == top.path {
				n.Records[j].Record.TS = top.version.TS - 1
				n.Records[j].Slot.TS = top.version.TS - 1
			}
		}
	}
	require.Empty(t, checkConverged(e))
	require.Len(t, checkLostWrites(e), 3)
	requireBroken(t, checkLostWrites(e), promised(scenarios.NoLostWrite), top.path)

	for n := 1; n <= w.nodes; n++ {
		w.forgetDisk(&w.replicas[n])
		require.Equal(t, n < w.nodes, len(checkLostWrites(e)) > 0, "what the last disk held is nobody's promise")
		w.ends.wiped(n)
	}
}

func TestResurrectionFires(t *testing.T) {
	l := newLedger()
	acknowledge := func(i int32, ts uint64) { l.acknowledged(i, node.Version{TS: node.Timestamp(ts)}, 7) }
	put := l.begin("a", false, "v1", []byte("v1"), 1, 1)
	acknowledge(put, 10)
	acknowledge(l.begin("a", true, "", nil, 1, 1), 20)
	unknown := l.begin("a", false, "v2", []byte("v2"), 1, 1)
	l.answered(unknown, linearize.Info)
	show := func(value string, ts uint64) []Violation {
		rec := node.Record{TS: node.Timestamp(ts), Value: []byte(value)}
		return checkResurrection(&Evidence{ledger: &l, Nodes: []NodeEvidence{{Number: 1, Records: []PathRecord{{Path: "a", Record: rec, Slot: node.SlotOf(&rec)}}}}})
	}
	requireBroken(t, show("v1", 10), promised(scenarios.NoResurrection), "v1")
	requireBroken(t, show("v1", 30), promised(scenarios.NoResurrection), "v1")
	requireBroken(t, show("v2", 15), promised(scenarios.NoResurrection), "v2")
	require.Empty(t, show("v2", 30), "a write of unknown fate may come at any time")
	beside := l.begin("a", false, "v3", []byte("v3"), 2, 1)
	acknowledge(beside, 20)
	both := func(deletes ...node.Candidate) []Violation {
		rec := node.Record{TS: 20, Value: []byte("v3")}
		slot := node.Slot{TS: 20, Candidates: deletes, Consensus: &node.Consensus{Ballot: node.Ballot{Epoch: 1, TS: 20}, Record: rec}}
		return checkResurrection(&Evidence{ledger: &l, Nodes: []NodeEvidence{{Number: 1, Records: []PathRecord{{Path: "a", Record: rec, Slot: slot}}}}})
	}
	require.Empty(t, both(node.Candidate{Tombstone: true}), "the delete is in the other half")
	requireBroken(t, show("v3", 20), promised(scenarios.NoResurrection), "v3")
	l.answered(unknown, linearize.Fail)
	requireBroken(t, show("v2", 30), promised(scenarios.NoResurrection), "refused")
}

func TestHLCFires(t *testing.T) {
	version := func(ts uint64) node.Version { return node.Version{TS: node.Timestamp(ts)} }
	c := newHLCCheck()
	c.stored(1, 7, "a", version(10))
	c.stored(1, 7, "b", version(11))
	c.acknowledged(1, 7, "a", version(10), node.Eventual)
	c.acknowledged(1, 7, "b", version(11), node.Eventual)
	c.stored(2, 8, "a", version(5))
	require.Empty(t, c.violations, "each identity has a clock of its own")
	c.stored(1, 7, "c", version(11))
	requireBroken(t, c.violations, promised(scenarios.HLCMonotone), `"c" issued 0.00011 after 0.00011`)
	c.stored(1, 7, "d", version(4))
	requireBroken(t, c.violations, promised(scenarios.HLCMonotone), `"d" issued`)
	c.acknowledged(1, 7, "e", version(11), node.Eventual)
	requireBroken(t, c.violations, promised(scenarios.HLCMonotone), `"e" acknowledged 0.00011 after`)
	c.acknowledged(1, 7, "f", version(12), node.Eventual)
	requireBroken(t, c.violations, promised(scenarios.HLCMonotone), `"f" acknowledged 0.00012, which is not stored`)
}

func TestMembershipFires(t *testing.T) {
	for detail, breakIt := range map[string]func(n *NodeEvidence){
		"sees n1 dead":             func(n *NodeEvidence) { member(n, "n1").State = swim.Dead },
		"sees n1 suspect":          func(n *NodeEvidence) { member(n, "n1").State = swim.Suspect },
		"does not know n1":         func(n *NodeEvidence) { member(n, "n1").ID = 99; member(n, "n1").State = swim.Dead },
		"an identity that is gone": func(n *NodeEvidence) { n.Members = append(n.Members, swim.Member{ID: 99, Name: "n1"}) },
		"is down":                  func(n *NodeEvidence) { n.Up = false },
	} {
		_, e := lived(t)
		breakIt(&e.Nodes[1])
		requireBroken(t, checkMembership(e.Nodes), promised(scenarios.MembershipAgreed), "n2 "+strings.TrimPrefix(detail, "an identity that is gone"))
		requireBroken(t, checkMembership(e.Nodes), promised(scenarios.MembershipAgreed), detail)
	}
	_, e := lived(t)
	e.Nodes[0].Members = append(e.Nodes[0].Members, swim.Member{ID: 99, Name: "n1", State: swim.Dead})
	require.Empty(t, checkMembership(e.Nodes), "a former self may be remembered as dead")
}

func member(n *NodeEvidence, name string) *swim.Member {
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
	requireBroken(t, checkBounds(1, &fine, backlog{gate: backlogMax + 1}, node.DefaultTuning()), promiseBounded, "wait for its disk")
	requireBroken(t, checkBounds(1, &fine, backlog{disk: backlogMax + 1}, node.DefaultTuning()), promiseBounded, "wait for its disk")
	hoarder := node.Status{Peers: []node.PeerStatus{{ID: 1, QueueEntries: 10, QueueBytes: 1000, Away: time.Hour + time.Minute}}}
	requireBroken(t, checkBounds(1, &hoarder, backlog{}, node.DefaultTuning()), promiseBounded, "hints")
	bad := node.Status{Counters: node.Counters{FramesBad: 1}}
	requireBroken(t, checkBounds(1, &bad, backlog{}, node.DefaultTuning()), promiseBounded, "frames")
}

func TestKnownValuesFire(t *testing.T) {
	w, e := lived(t)
	get := &client{op: scenarios.Op{Kind: scenarios.OpGet, Path: e.Nodes[0].Records[0].Path, Node: 1}}
	w.readValue(get, "", &answer{value: []byte("nobody")})
	requireBroken(t, w.violations, promiseKnownValues, "nobody ever wrote")

	var put *write
	for i := range w.ledger.writes {
		if !w.ledger.writes[i].delete && len(w.ledger.writes[i].value) > 10 {
			put = &w.ledger.writes[i]
		}
	}
	get.op.Path = put.path + "x"
	w.readValue(get, "", &answer{value: put.value})
	requireBroken(t, w.violations, promiseKnownValues, "not here")

	l := newLedger()
	l.begin("a", false, "c1.1", []byte("c1.1......"), 1, 1)
	_, wrong := l.source("a", []byte("c1.1...."))
	require.Contains(t, wrong, "is not what was written")
	_, wrong = l.source("a", []byte("c1.1......"))
	require.Empty(t, wrong)

	refused := l.begin("b", false, "c1.2", []byte("c1.2"), 1, 1)
	l.answered(refused, linearize.Fail)
	hold := func(r node.Record) []Violation {
		return checkKnownValues(&Evidence{ledger: &l, Nodes: []NodeEvidence{{Number: 1, Records: []PathRecord{{Path: "b", Record: r}}}}})
	}
	requireBroken(t, hold(node.Record{TS: 5, Value: []byte("c1.2")}), promiseKnownValues, "refused")
	requireBroken(t, hold(node.Record{TS: 5, Tombstone: true}), promiseKnownValues, "no delete")
	l.writes[refused].seen = true
	requireBroken(t, hold(node.Record{TS: 5, Value: []byte("c1.1......")}), promiseKnownValues, "did not happen")
}

func TestSessionFires(t *testing.T) {
	w, e := lived(t)
	r := &w.replicas[1]
	path, v := e.Nodes[0].Records[0].Path, e.Nodes[0].Records[0].Record.Version()
	w.session(r, path, v)
	require.Empty(t, w.violations)
	v.TS--
	w.session(r, path, v)
	requireBroken(t, w.violations, promiseSession, path)
}

func TestListingFires(t *testing.T) {
	store := memstore.New()
	for i, path := range []string{"a", "a/b", "a/c/d", "b"} {
		rec := node.Record{TS: hlc.Timestamp(i + 1), UUID: node.UUID{1}, Origin: 1, Tombstone: path == "b"}
		require.NoError(t, store.Apply([]node.Op{{Key: recordPrefix + path, Value: encodeRecord(path, &rec)}}))
	}
	for _, recursive := range []bool{false, true} {
		for _, dir := range []string{"", "a/", "a/c/", "x/"} {
			page, err := node.NewView(store, node.NewElectorate(nil)).List(node.ListRequest{Directory: dir, Recursive: recursive, Limit: 100})
			require.NoError(t, err)
			require.Empty(t, compareListing(store, node.NewElectorate(nil), dir, recursive, page.Entries), "%q", dir)
			extra := append(page.Entries[:len(page.Entries):len(page.Entries)], node.Entry{Path: dir + "zz"})
			require.NotEmpty(t, compareListing(store, node.NewElectorate(nil), dir, recursive, extra), "one too many in %q", dir)
			if n := len(page.Entries); n > 0 {
				require.NotEmpty(t, compareListing(store, node.NewElectorate(nil), dir, recursive, page.Entries[:n-1]), "one too few in %q", dir)
				page.Entries[0].Version.TS += 5
				require.NotEmpty(t, compareListing(store, node.NewElectorate(nil), dir, recursive, page.Entries), "a wrong version in %q", dir)
			}
		}
	}
}

// The halves of a slot are compared with all that members have in common of them.
func TestSameSlotSeesEveryField(t *testing.T) {
	half := func(change func(c *node.Consensus)) *node.Slot {
		c := node.Consensus{Promised: node.Ballot{Epoch: 1, TS: 9}, Ballot: node.Ballot{Epoch: 1, TS: 5}, Applied: []node.Applied{{Key: node.UUID{1}}},
			Record: node.Record{TS: 5, UUID: node.UUID{2}, Origin: 7, Value: []byte("v"), ContentType: "text/plain", Expires: 10}}
		change(&c)
		return &node.Slot{Consensus: &c}
	}
	same := half(func(*node.Consensus) {})
	require.True(t, sameSlot(same, half(func(c *node.Consensus) { c.Promised.TS, c.Weak = 11, true })), "a member's own")
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
