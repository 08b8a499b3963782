package checks

import (
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/node"
	"kvs/node/merkle"
	"kvs/node/slot"
	"kvs/node/wire"
	"kvs/sim"
	"kvs/sim/kvs/checks/asked"
	"kvs/sim/kvs/world"
)

// steps tells a checker that a member has taken a frame in, if there is one, and sent others to an address.
func steps(c sim.Checker, r *world.Replica, frame []byte, to string, sent ...[]byte) {
	e := &sim.Event{Kind: sim.EventStepped, Replica: r.Replica, Effects: &sim.Effects{}}
	if frame != nil {
		e.Input = &sim.Input{Kind: sim.InputFrame, Data: frame}
	}
	for _, data := range sent {
		e.Effects.Sends = append(e.Effects.Sends, sim.Send{Transport: sim.TransportFrame, To: to, Data: data})
	}
	c.Observe(e)
}

// A newcomer that takes itself for one in step although no comparison has ended with an answer of a member that serves.
func TestUncomparedNewcomerIsFound(t *testing.T) {
	w, _ := lived(t)
	r, by := &w.Replicas[1], speaker(w.Replicas[2].ID)
	own, there := speaker(r.ID), sim.Address(2)
	ends := func(standing wire.Standing, frame []byte) []sim.Violation {
		w.TakeViolations()
		c := asked.NewNewcomers(w.World, promiseJoin)
		c.Observe(&sim.Event{Kind: sim.EventStarted, Replica: r.Replica})
		steps(c, r, nil, there, own.Frame(wire.KindHello, &wire.Hello{Standing: wire.StandingEmpty, Asks: 7}))
		steps(c, r, by.Frame(wire.KindHello, &wire.Hello{Standing: standing, Answers: 7}), there)
		if standing.Serves() {
			steps(c, r, nil, there, own.Frame(wire.KindPageAsk, &wire.PageAsk{}))
		}
		e := &sim.Event{Kind: sim.EventStepped, Replica: r.Replica, Effects: &sim.Effects{}}
		if frame != nil {
			e.Input = &sim.Input{Kind: sim.InputFrame, Data: frame}
		}
		e.Effects.Persist.Changes = []sim.Change{{Key: node.BootstrapKey}}
		c.Observe(e)
		return w.TakeViolations()
	}
	answer := by.Frame(wire.KindTreeAnswer, &wire.TreeAnswer{Digest: 1})
	require.Empty(t, ends(wire.StandingReady, answer))
	require.Empty(t, ends(wire.StandingEmpty, nil), "the cluster is new")
	requireBroken(t, ends(wire.StandingReady, nil), promiseJoin, "no comparison has ended with an answer")
	other := speaker(w.Replicas[3].ID)
	answer = other.Frame(wire.KindTreeAnswer, &wire.TreeAnswer{Digest: 1})
	requireBroken(t, ends(wire.StandingReady, answer), promiseJoin,
		"which has not said in answer to a question that it serves")
}

// A newcomer that pulls from a member whose hello it had not asked for.
func TestUnaskedHelloIsFound(t *testing.T) {
	w, _ := lived(t)
	r, by := &w.Replicas[1], speaker(w.Replicas[2].ID)
	own, there := speaker(r.ID), sim.Address(2)
	pulls := func(told wire.Hello, restarts bool) []sim.Violation {
		w.TakeViolations()
		c := asked.NewNewcomers(w.World, promiseJoin)
		c.Observe(&sim.Event{Kind: sim.EventStarted, Replica: r.Replica})
		steps(c, r, nil, there, own.Frame(wire.KindHello, &wire.Hello{Standing: wire.StandingEmpty, Asks: 7}))
		steps(c, r, by.Frame(wire.KindHello, &told), there)
		if restarts {
			c.Observe(&sim.Event{Kind: sim.EventStarted, Replica: r.Replica})
		}
		steps(c, r, nil, there, own.Frame(wire.KindPlanAsk, &wire.PlanAsk{Seq: 1}))
		return w.Violations()
	}
	const broken = "has not said in answer to a question that it serves"
	require.Empty(t, pulls(wire.Hello{Standing: wire.StandingReady, Answers: 7}, false))
	require.Empty(t, pulls(wire.Hello{Standing: wire.StandingServing, Answers: 7}, false))
	requireBroken(t, pulls(wire.Hello{Standing: wire.StandingReady}, false), promiseJoin, broken)
	requireBroken(t, pulls(wire.Hello{Standing: wire.StandingReady, Answers: 8}, false), promiseJoin, broken)
	requireBroken(t, pulls(wire.Hello{Standing: wire.StandingPulling, Answers: 7}, false), promiseJoin, broken)
	requireBroken(t, pulls(wire.Hello{Standing: wire.StandingReady, Answers: 7}, true), promiseJoin, broken)
}

// A comparison that finds something newer and does not pull it.
func TestUnpulledIsFound(t *testing.T) {
	w, _ := lived(t)
	r, by := &w.Replicas[1], speaker(w.Replicas[2].ID)
	own, there := speaker(r.ID), sim.Address(2)
	leaf := merkle.Leaf(merkle.Hash("p"))
	ask := func(session uint64) []byte {
		return own.Frame(wire.KindLeafAsk, &wire.LeafAsk{Session: session, Leaves: []uint32{leaf}})
	}
	answer := by.Frame(wire.KindLeafAnswer, &wire.LeafAnswer{Session: 3, Leaves: 1, Keys: []wire.HeldVersion{
		{Path: "p", Version: slot.Version{TS: 9, UUID: node.UUID{1}}}}})
	var c sim.Checker
	answered := func(sent ...[]byte) []sim.Violation {
		w.TakeViolations()
		steps(c, r, answer, there, sent...)
		return w.Violations()
	}
	asks := func() {
		c = asked.NewComparisons(w.World, promiseCompared)
		steps(c, r, nil, there, ask(3))
	}

	asks()
	requireBroken(t, answered(ask(4)), promiseCompared, `"p" has found version`)
	require.Empty(t, answered(), "it comes once more, and is ignored")
	asks()
	require.Empty(t, answered(own.Frame(wire.KindSyncPull, &wire.SyncPull{Paths: []string{"p"}}), ask(4)), "it pulls")
	asks()
	require.Empty(t, answered(), "the answer comes too late: it is not taken in")
	asks()
	steps(c, r, nil, there, own.Frame(wire.KindTreeAsk, &wire.TreeAsk{Session: 4, Nodes: []uint32{0}}))
	require.Empty(t, answered(ask(5)), "another comparison has begun")
	asks()
	w.Disks.Stored(1, "p", &node.Slot{Candidates: []node.Candidate{{}}, TS: 9})
	require.Empty(t, answered(ask(4)), "it holds as much")
}

// A write that two members have applied, as the answers to the members that forwarded it say.
func TestAppliedTwiceIsFound(t *testing.T) {
	w, by := bare(t), speaker(7)
	k := asked.NewOnce(w, promiseOnce)
	says := func(n int, id byte, ts node.Timestamp) {
		a := wire.Forwarded{Round: 1, Run: 1, UUID: node.UUID{id}}
		a.Response.Record = node.Record{TS: ts, UUID: a.UUID, Origin: 7}
		k.Observe(&sim.Event{Kind: sim.EventSent, Replica: w.Replicas[n].Replica,
			Send: &sim.Send{Data: by.Frame(wire.KindForwarded, &a)}})
	}
	says(1, 1, 10)
	says(2, 2, 20)
	says(2, 1, 10)
	require.Empty(t, w.Violations())
	says(3, 2, 21)
	requireBroken(t, w.Violations(), promiseOnce, "applied as version 0.00021, and 0.00020 was said before")
}
