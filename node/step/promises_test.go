package step_test

import (
	"encoding/hex"
	"flag"
	"fmt"
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

// restartedOn is a member that starts with a record of m/promises.
func restartedOn(t *testing.T, stored []byte, boots uint64) *steptest.Bench {
	again := steptest.New(t, 1, 2)
	require.NoError(t, again.Disk.Apply([]contract.Change{{Key: schema.KeyPromises, Value: stored}}))
	again.Boots = boots
	again.Vote(4, 1, 2)
	again.Step(func() { require.NoError(t, again.RecoverPromises()) })
	return again
}

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
	golden := "testdata/promises-v2.hex"
	if *update {
		require.NoError(t, os.WriteFile(golden, []byte(hex.EncodeToString(stored)+"\n"), 0o644))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, string(want), hex.EncodeToString(stored)+"\n", "stores of former versions would not be understood")

	restarted := func(boots uint64) *steptest.Bench { return restartedOn(t, stored, boots) }
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

// A promise without a record waits until a bound of it is durable, and a restart holds itself bound by that.
func TestPromisesWithoutRecords(t *testing.T) {
	b := steptest.New(t, 1, 2)
	b.Vote(3, 1, 2)
	b.Step(func() { require.NoError(t, b.RecoverPromises()) })
	b.Sync()
	promise := func(path string, ms int64) (after contract.PersistID) {
		b.Step(func() {
			after = b.PromiseUnstored(path, slot.Ballot{Epoch: b.Epoch(), TS: hlc.Make(ms, 3), Member: 2})
		})
		return after
	}
	require.NotZero(t, promise("a", 5000))
	after := promise("b", 5001)
	require.Equal(t, b.Persists, after, "the bound is on its way")
	b.Sync()
	require.Zero(t, promise("b", 5002))
	require.Zero(t, promise("a", 5003))
	persists := b.Persists
	require.Zero(t, promise("c", 5900), "the next bound is on its way, and this promise has one")
	require.Equal(t, persists+1, b.Persists)
	after = promise("c", 6100)
	require.Equal(t, b.Persists, after)
	low := slot.Ballot{Epoch: 3, TS: 7, Member: 9}
	require.Equal(t, hlc.Make(5003, 3), b.Promised("a", low).TS)
	require.Equal(t, low, b.Promised("d", low))
	require.Equal(t, low, b.MayHavePromised("d", low), "nothing was promised there")
	b.Step(func() { b.Stored("a") })
	require.Equal(t, low, b.Promised("a", low), "its record says more")
	require.Greater(t, b.Lost("d").Promised.TS, hlc.Make(6100, 3))

	stored, _, err := b.Disk.Get(schema.KeyPromises)
	require.NoError(t, err)
	for boots := range uint64(3) { // whether or not other versions have run since.
		again := restartedOn(t, stored, 2+boots)
		require.Equal(t, low, again.Promised("b", low))
		require.Equal(t, slot.Ballot{Epoch: 3, TS: hlc.Make(6000, 0) + 1}, again.MayHavePromised("b", low))
		require.Greater(t, again.Lost("b").Promised.TS, hlc.Make(6000, 0))
	}
	b.Sync()
	b.Vote(4, 1, 2)
	require.NotZero(t, promise("e", 6101), "the bound is of another epoch")

	old, err := os.ReadFile("testdata/promises-v1.hex")
	require.NoError(t, err)
	first, err := hex.DecodeString(string(old[:len(old)-1]))
	require.NoError(t, err)
	require.Equal(t, low, restartedOn(t, first, 2).MayHavePromised("a", low), "that version stored its promises")
}

// Promises for which there is no room any more stand for all paths.
func TestPromisesBeyondTheRoom(t *testing.T) {
	b := steptest.New(t, 1, 2)
	b.Vote(3, 1, 2)
	b.Step(func() { require.NoError(t, b.RecoverPromises()) })
	paths := 0
	for b.MayHavePromised("none", slot.Ballot{}).IsZero() {
		paths++
		b.Step(func() {
			b.PromiseUnstored(fmt.Sprint(paths), slot.Ballot{Epoch: 3, TS: hlc.Make(int64(paths), 0), Member: 2})
		})
		require.Less(t, paths, 1<<20)
	}
	require.Greater(t, paths, 10_000)
	require.Equal(t, slot.Ballot{Epoch: 3, TS: hlc.Make(1, 0), Member: 2}, b.MayHavePromised("none", slot.Ballot{}))
	require.Equal(t, hlc.Make(2, 0), b.Promised("2", slot.Ballot{}).TS)
}
