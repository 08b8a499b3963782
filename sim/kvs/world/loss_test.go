package world

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/chaos"
	"kvs/node"
	"kvs/node/slot"
	"kvs/scenarios"
	"kvs/sim"
)

// slotAt is what a disk holds that has one write.
func slotAt(ts node.Timestamp) *node.Slot {
	s := slot.Of(&node.Record{TS: ts, UUID: node.UUID{byte(ts)}, Value: []byte("v")})
	return &s
}

func TestLastCopyMayBeLost(t *testing.T) {
	w := unjudged(t)
	index := w.Ledger.Begin("a", false, "v", []byte("v"), 1, 1)
	w.Ledger.Acknowledge(index, node.Version{TS: 5, UUID: node.UUID{5}}, 7)
	lost := func() bool { return w.Ledger.Writes[index].Lost }
	wipe := func(n int) {
		w.forgetDisk(&w.Replicas[n])
		w.Disks.Wiped(n)
	}
	w.Disks.Stored(1, "a", slotAt(5))
	w.Disks.Stored(2, "a", slotAt(5))
	w.Disks.Stored(3, "a", slotAt(4))
	wipe(1)
	require.False(t, lost(), "n2 has it")
	w.Disks.Stored(3, "a", slotAt(6))
	wipe(2)
	require.False(t, lost(), "n3 has something newer")
	w.Disks.Stored(1, "a", slotAt(5))
	w.Replicas[3].Rotten["a"] = true
	wipe(1)
	require.True(t, lost(), "what n3 has cannot be read")
}

func TestRecencyIsExcusedWhenTooManyCopiesAreGone(t *testing.T) {
	w := unjudged(t)
	require.False(t, w.RecencyExcused("a", 5))
	w.damaged(&w.Replicas[1], "a")
	require.Empty(t, w.damages.byPath, "nobody votes yet")
	for n := 1; n <= 3; n++ {
		w.Replicas[n].Node = nil
		w.Replicas[n].Config = &node.Config{Epoch: 1,
			Voters: []node.ID{w.Replicas[1].ID, w.Replicas[2].ID, w.Replicas[3].ID}}
		slices.Sort(w.Replicas[n].Config.Voters)
	}
	for n, ts := range []node.Timestamp{1: 5, 2: 5, 3: 5} {
		w.Disks.Stored(n, "a", slotAt(ts))
	}
	w.damaged(&w.Replicas[1], "a")
	require.False(t, w.RecencyExcused("a", 5), "two of three are left, and every majority has one of them")
	w.Disks.Stored(3, "a", slotAt(4))
	w.damaged(&w.Replicas[1], "a")
	require.True(t, w.RecencyExcused("a", 5))
	require.False(t, w.RecencyExcused("a", 4), "of that one enough is left")
	require.False(t, w.RecencyExcused("a", 6), "what was lost was older")
}

func TestVotersAreSpared(t *testing.T) {
	sc, err := scenarios.Load("linearizable")
	require.NoError(t, err)
	d := sim.Draw(1, sc)
	d.Nodes, d.Plan = 3, chaos.Plan{}
	w := start(sim.Options{Seed: 1, Scenario: &d})
	require.False(t, w.mayWipe(&w.Replicas[1]), "nobody knows who votes")
	w.RunUntil(3 * time.Second)
	path := w.Ledger.Paths[0].Path
	r := &w.Replicas[1]
	require.True(t, w.mayWipe(r))
	require.True(t, w.mayRot(r, path))
	w.Replicas[2].Rotten[path] = true
	require.False(t, w.mayWipe(r), "n3 alone would know what was promised there")
	require.False(t, w.mayRot(r, path))
	require.True(t, w.mayRot(r, "elsewhere"))
	clear(w.Replicas[2].Rotten)
	require.NoError(t, w.Apply(chaos.Fault{Kind: chaos.Crash, Nodes: []int{1}}))
	require.NoError(t, w.Apply(chaos.Fault{Kind: chaos.Wipe, Nodes: []int{1}}))
	require.Zero(t, r.ID)
	require.NoError(t, w.Apply(chaos.Fault{Kind: chaos.Restart, Nodes: []int{1}}))
	require.NoError(t, w.Apply(chaos.Fault{Kind: chaos.Crash, Nodes: []int{2}}))
	require.NoError(t, w.Apply(chaos.Fault{Kind: chaos.Wipe, Nodes: []int{2}}))
	require.NotZero(t, w.Replicas[2].ID, "it was spared")
	require.Equal(t, 1, w.damages.spared)
}
