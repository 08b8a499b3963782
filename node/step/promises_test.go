package step_test

import (
	"encoding/hex"
	"flag"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/node/codec"
	"kvs/node/contract"
	"kvs/node/hlc"
	"kvs/node/schema"
	"kvs/node/slot"
	"kvs/node/step/steptest"
)

var update = flag.Bool("update", false, "rewrite the golden file")

// The bound is durable with the promise, ahead of it, and a restart goes on with it.
func TestPromisesAreBounded(t *testing.T) {
	b := steptest.New(t, 1, 2)
	b.Vote(3, 1, 2)
	b.Step(func() { require.NoError(t, b.RecoverPromises()) })
	b.Sync()
	ts := hlc.Make(5000, 7)
	b.Step(func() { b.Promise(ts) })
	b.Sync()
	persists := b.Persists
	b.Step(func() { b.Promise(hlc.Make(5900, 0)) })
	require.Equal(t, persists, b.Persists, "one bound serves many promises")
	stored, _, err := b.Disk.Get(schema.KeyPromises)
	require.NoError(t, err)
	golden := "testdata/promises-v1.hex"
	if *update {
		require.NoError(t, os.WriteFile(golden, []byte(hex.EncodeToString(stored)+"\n"), 0o644))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, string(want), hex.EncodeToString(stored)+"\n", "stores of former versions would not be understood")

	restarted := func(boots uint64) *steptest.Bench {
		again := steptest.New(t, 1, 2)
		require.NoError(t, again.Disk.Apply([]contract.Change{{Key: schema.KeyPromises, Value: stored}}))
		again.Boots = boots
		again.Vote(4, 1, 2)
		again.Step(func() { require.NoError(t, again.RecoverPromises()) })
		return again
	}
	again := restarted(2)
	lost := again.Lost("a")
	require.True(t, lost.Blind)
	require.Equal(t, uint64(4), lost.Promised.Epoch)
	require.Greater(t, lost.Promised.TS, hlc.Make(5900, 0))
	again.HLC.Observe(hlc.Make(9000, 0))
	require.Equal(t, lost, again.Lost("a"), "a proposer can get above it")
	require.Greater(t, again.Lost("b").Promised.TS, hlc.Make(9000, 0), "this run may have promised that there")
	again.Step(func() { again.WriteRecord("a", slot.Encode("a", &slot.Slot{Consensus: lost})) })
	require.Greater(t, again.Lost("a").Promised.TS, hlc.Make(9000, 0), "what rots later may have been promised later")

	require.Equal(t, uint64(5), restarted(3).Lost("a").Promised.Epoch, "a version without the bound ran in between")
	require.Zero(t, again.PromisesBounded())
	for i := range stored {
		cut := steptest.New(t, 1)
		require.NoError(t, cut.Disk.Apply([]contract.Change{{Key: schema.KeyPromises, Value: stored[:i]}}))
		require.ErrorIs(t, cut.RecoverPromises(), codec.ErrCorrupt, "cut to %d", i)
	}
}
