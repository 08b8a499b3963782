package sim

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/chaos"
	"kvs/node"
	"kvs/scenarios"
)

// slotAt is what a disk holds that has one write.
func slotAt(ts node.Timestamp) *node.Slot {
	s := node.SlotOf(&node.Record{TS: ts, UUID: node.UUID{byte(ts)}, Value: []byte("v")})
	return &s
}

func TestLastCopyMayBeLost(t *testing.T) {
	w := still(t, wide)
	index := w.ledger.begin("a", false, "v", []byte("v"), 1, 1)
	w.ledger.acknowledged(index, node.Version{TS: 5, UUID: node.UUID{5}}, 7)
	lost := func() bool { return w.ledger.writes[index].lost }
	wipe := func(n int) {
		w.forgetDisk(&w.replicas[n])
		w.ends.wiped(n)
	}
	w.ends.stored(1, "a", slotAt(5))
	w.ends.stored(2, "a", slotAt(5))
	w.ends.stored(3, "a", slotAt(4))
	wipe(1)
	require.False(t, lost(), "n2 has it")
	w.ends.stored(3, "a", slotAt(6))
	wipe(2)
	require.False(t, lost(), "n3 has something newer")
	w.ends.stored(1, "a", slotAt(5))
	w.replicas[3].rotten["a"] = true
	wipe(1)
	require.True(t, lost(), "what n3 has cannot be read")
}

func TestRecencyIsExcusedWhenTooManyCopiesAreGone(t *testing.T) {
	w := still(t, wide)
	require.False(t, w.recencyExcused("a", 5))
	w.damaged(&w.replicas[1], "a")
	require.Empty(t, w.damages.byPath, "nobody votes yet")
	for n := 1; n <= 3; n++ {
		w.replicas[n].node = nil
		w.replicas[n].config = &node.Config{Epoch: 1, Voters: []node.ID{w.replicas[1].id, w.replicas[2].id, w.replicas[3].id}}
		slices.Sort(w.replicas[n].config.Voters)
	}
	for n, ts := range []node.Timestamp{1: 5, 2: 5, 3: 5} {
		w.ends.stored(n, "a", slotAt(ts))
	}
	w.damaged(&w.replicas[1], "a")
	require.False(t, w.recencyExcused("a", 5), "two of three are left, and every majority has one of them")
	w.ends.stored(3, "a", slotAt(4))
	w.damaged(&w.replicas[1], "a")
	require.True(t, w.recencyExcused("a", 5))
	require.False(t, w.recencyExcused("a", 4), "of that one enough is left")
	require.False(t, w.recencyExcused("a", 6), "what was lost was older")
}

func TestVotersAreSpared(t *testing.T) {
	sc, err := scenarios.Load("linearizable")
	require.NoError(t, err)
	d := Draw(1, sc)
	d.Nodes, d.Plan = 3, chaos.Plan{}
	w := newWorld(Options{Seed: 1, Scenario: &d})
	require.False(t, w.mayWipe(&w.replicas[1]), "nobody knows who votes")
	for w.now < 3*time.Second {
		e := w.heap.pop()
		w.now = e.at
		w.happen(e)
	}
	path := w.ledger.paths[0].path
	r := &w.replicas[1]
	require.True(t, w.mayWipe(r))
	require.True(t, w.mayRot(r, path))
	w.replicas[2].rotten[path] = true
	require.False(t, w.mayWipe(r), "n3 alone would know what was promised there")
	require.False(t, w.mayRot(r, path))
	require.True(t, w.mayRot(r, "elsewhere"))
	clear(w.replicas[2].rotten)
	w.crash(r)
	require.NoError(t, w.Apply(chaos.Fault{Kind: chaos.Wipe, Nodes: []int{1}}))
	require.Zero(t, r.id)
	w.start(r)
	w.crash(&w.replicas[2])
	require.NoError(t, w.Apply(chaos.Fault{Kind: chaos.Wipe, Nodes: []int{2}}))
	require.NotZero(t, w.replicas[2].id, "it was spared")
	require.Equal(t, 1, w.damages.spared)
}
