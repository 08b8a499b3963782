package node

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node/codec"
	"kvs/node/contract"
	"kvs/node/hlc"
	"kvs/node/membership"
	"kvs/node/schema"
	"kvs/node/step"
	"kvs/node/swim"
	"kvs/node/wire"
	"kvs/sim/memstore"
)

func transcript(t *testing.T, b *bench, name string) {
	t.Helper()
	golden(t, name, []byte(b.say.String()))
}

func TestTranscriptWriteReachesEverybody(t *testing.T) {
	b := newBench(t, 3)
	b.run(5*time.Second, func() bool { return b.members(3) })
	b.run(2*time.Second, nil)
	b.say = &strings.Builder{}
	b.do(0, contract.OpPut, "a/b", "one")
	b.run(time.Second, func() bool { return b.shows(1, "a/b") == "one" && b.shows(2, "a/b") == "one" })
	b.do(2, contract.OpDelete, "a/b", "")
	b.run(time.Second, func() bool { return b.shows(0, "a/b") == "" && b.same() })
	transcript(t, b, "write-reaches-everybody.txt")
}

// While one member cannot be reached its queue overflows; the comparison brings it what was dropped.
func TestTranscriptComparisonRepairsWhatTheQueueDropped(t *testing.T) {
	b := newBench(t, 2)
	b.run(5*time.Second, func() bool { return b.members(2) })
	b.cut = func(from, to string) bool { return true }
	b.do(0, contract.OpPut, "first", "in flight when the link broke")
	b.machine[0].node.Tuning.QueueBytesMax = 150
	for i := range 3 {
		b.do(0, contract.OpPut, fmt.Sprintf("k%d", i), "waits")
	}
	require.Equal(t, uint64(1), b.machine[0].node.Status().Counters.QueueDropped, "k0 has gone")
	b.do(1, contract.OpPut, "other", "written on the far side")
	b.cut = nil
	b.say = &strings.Builder{}
	b.run(time.Minute, b.same)
	require.Equal(t, "waits", b.shows(1, "k0"))
	require.Equal(t, "written on the far side", b.shows(0, "other"))
	transcript(t, b, "comparison-repairs.txt")
}

func TestNothingIsAnsweredBeforeItIsDurable(t *testing.T) {
	b := newBench(t, 1)
	b.run(time.Second, nil)
	id := b.request(0, contract.OpPut, "a", "lost")
	b.crash(0) // before the fsync came back.
	b.start(0)
	b.run(time.Second, nil)
	require.NotContains(t, b.machine[0].replies, id)
	require.Empty(t, b.shows(0, "a"))
	require.Equal(t, contract.CodeCreated, b.do(0, contract.OpPut, "a", "kept").Code)
	b.crash(0)
	b.start(0)
	require.Equal(t, "kept", b.shows(0, "a"))
}

// Identity and clock survive restarts; versions rise although the wall clock stands an hour back.
func TestRestartKeepsIdentityAndNeverReusesATimestamp(t *testing.T) {
	b := newBench(t, 1)
	id := b.machine[0].node.ID()
	last := hlc.Timestamp(0)
	for i := range 10 {
		for range 5 {
			r := b.do(0, contract.OpPut, "k", "v")
			require.Greater(t, r.Record.TS, last)
			last = r.Record.TS
		}
		b.request(0, contract.OpPut, "k", "issued, perhaps never durable")
		b.machine[0].wall = int64(-3600_000 * (i % 2))
		b.crash(0)
		b.start(0)
		require.Equal(t, id, b.machine[0].node.ID())
	}
}

func TestReadThroughTheCoreWaitsForTheWriteItShows(t *testing.T) {
	b := newBench(t, 1)
	b.run(time.Second, nil)
	put := b.request(0, contract.OpPut, "a", "x")
	get := b.request(0, contract.OpGet, "a", "")
	require.NotContains(t, b.machine[0].replies, get, "it shows a write whose persist is under way")
	b.run(time.Second, func() bool { return len(b.machine[0].replies) == 2 })
	require.Equal(t, "x", string(b.machine[0].replies[get].Record.Value))
	require.Equal(t, contract.CodeCreated, b.machine[0].replies[put].Code)
	require.Equal(t, contract.CodeNotFound, b.do(0, contract.OpGet, "b", "").Code)
	require.Zero(t, len(b.machine[0].node.Overlay.ByPath)+len(b.machine[0].node.Overlay.Order))
}

func TestReadOnlyReasonsAddUp(t *testing.T) {
	b := newBench(t, 2)
	b.run(5*time.Second, func() bool { return b.members(2) })
	b.step(0, &contract.SetReadOnly{Reason: "operator", On: true})
	b.step(0, &contract.SetReadOnly{Reason: "disk", On: true})
	r := b.do(0, contract.OpPut, "a", "x")
	require.Equal(t, contract.CodeDiskFull, r.Code)
	require.Equal(t, contract.OutcomeNotApplied, r.Outcome)
	require.Equal(t, []string{"disk", "operator"}, b.machine[0].node.Status().ModeReasons)
	b.step(0, &contract.SetReadOnly{Reason: "disk"})
	r = b.do(0, contract.OpPut, "a", "x")
	require.Equal(t, contract.CodeReadOnly, r.Code)
	require.Contains(t, r.Detail, "operator")
	require.Equal(t, contract.ModeReadOnly, b.machine[0].node.Mode())
	require.Equal(t, []string{"operator"}, b.machine[0].node.Status().ModeReasons)
	require.Equal(t, contract.CodeCreated, b.do(1, contract.OpPut, "a", "x").Code)
	b.run(time.Second, func() bool { return b.shows(0, "a") == "x" }) // replication goes on.
	b.step(0, &contract.SetReadOnly{Reason: "operator"})
	require.Equal(t, contract.CodeOK, b.do(0, contract.OpPut, "a", "y").Code)
}

func TestDiskFailureEndsService(t *testing.T) {
	b := newBench(t, 1)
	b.run(time.Second, nil)
	b.failDisk(0)
	r := b.do(0, contract.OpPut, "a", "x")
	require.Equal(t, contract.CodeFailed, r.Code)
	require.Equal(t, contract.OutcomeUnknown, r.Outcome)
	r = b.do(0, contract.OpPut, "a", "x")
	require.Equal(t, contract.CodeFailed, r.Code)
	require.Equal(t, contract.OutcomeNotApplied, r.Outcome)
	require.Contains(t, r.Detail, "input/output error")
	require.Equal(t, contract.ModeFailed, b.machine[0].node.Mode())
}

func TestRotIsReportedAndRepairedFromAPeer(t *testing.T) {
	b := newBench(t, 2)
	b.run(5*time.Second, func() bool { return b.members(2) })
	b.do(0, contract.OpPut, "a", "precious")
	b.run(time.Second, b.same)
	rotten := append([]byte{}, b.machine[1].get(schema.PrefixRecord+"a")...)
	rotten[45] ^= 4
	b.machine[1].put(schema.PrefixRecord+"a", rotten)
	require.Equal(t, "precious", string(b.do(1, contract.OpGet, "a", "").Record.Value),
		"what was used last is in memory")
	b.machine[1].node.ForgetRecent("a")
	r := b.do(1, contract.OpGet, "a", "")
	require.Equal(t, contract.CodeCorrupt, r.Code)
	b.run(time.Minute, b.same)
	require.Equal(t, "precious", b.shows(1, "a"))
}

// What waits for a member is read again before it is sent, and may have rotted meanwhile: it is not sent then, and the
// writer's own copy stays reported as damaged.
func TestRotIsNotSpread(t *testing.T) {
	b := newBench(t, 2)
	b.run(5*time.Second, func() bool { return b.members(2) })
	b.cut = func(from, to string) bool { return true }
	b.do(0, contract.OpPut, "a", "precious")
	b.run(time.Second, nil)
	rotten := append([]byte{}, b.machine[0].get(schema.PrefixRecord+"a")...)
	rotten[45] ^= 4
	b.machine[0].put(schema.PrefixRecord+"a", rotten)
	b.cut = nil
	b.run(2*time.Minute, nil)
	require.Zero(t, b.machine[1].node.Counters.FramesBad)
	require.Empty(t, b.shows(1, "a"))
	r := b.do(0, contract.OpGet, "a", "")
	require.Equal(t, contract.CodeCorrupt, r.Code)
}

func TestForeignClustersDoNotMix(t *testing.T) {
	b := newBench(t, 1)
	stranger := &Node{Shared: step.Shared{Self: 5, Cluster: wire.ClusterHash("another")}}
	b.step(0, &contract.Frame{Data: stranger.Frame(wire.KindReplicateAck, &wire.ReplicateAck{Seq: 1})})
	b.step(0, &contract.Frame{Data: []byte("garbage that is long enough to be an envelope")})
	b.step(0, &contract.Datagram{From: "x", Data: []byte{1}})
	c := b.machine[0].node.Status().Counters
	require.Equal(t, uint64(1), c.OtherCluster)
	require.Equal(t, uint64(1), c.FramesBad)
	require.Equal(t, uint64(1), c.DatagramsBad)
}

func TestNewRefuses(t *testing.T) {
	good := func() Options {
		return Options{Name: "a", Addr: "a", Cluster: "c", Store: memstore.New(), Rand: rand.New(rand.NewPCG(1, 1))}
	}
	for want, spoil := range map[string]func(*Options){
		"node name":    func(o *Options) { o.Name = "" },
		"node address": func(o *Options) { o.Addr = "" },
		"cluster name": func(o *Options) { o.Cluster = "" },
		"randomness":   func(o *Options) { o.Rand = nil },
		"a store":      func(o *Options) { o.Store = nil },
		"tuning":       func(o *Options) { o.Tuning = contract.DefaultTuning(); o.Tuning.SyncPageKeys = 0 },
	} {
		o := good()
		spoil(&o)
		_, err := New(contract.Time{}, o, &contract.Effects{})
		require.ErrorContains(t, err, want)
	}
	o := good()
	var eff contract.Effects
	_, err := New(contract.Time{Wall: 5}, o, &eff)
	require.NoError(t, err)
	s := o.Store.(*memstore.Store)
	require.NoError(t, s.Apply(eff.Persist.Changes))
	o.Cluster = "d"
	_, err = New(contract.Time{Wall: 5}, o, &contract.Effects{})
	require.ErrorContains(t, err, `belongs to cluster "c"`)
	o.Cluster = "c"
	boot, _, err := s.Get(schema.KeyBoot)
	require.NoError(t, err)
	rotten := append([]byte{}, boot...)
	rotten[3] ^= 1
	require.NoError(t, s.Apply([]contract.Change{{Key: schema.KeyBoot, Value: rotten}}))
	_, err = New(contract.Time{Wall: 5}, o, &contract.Effects{})
	require.ErrorIs(t, err, codec.ErrCorrupt)
	require.NoError(t, s.Apply([]contract.Change{{Key: schema.KeyBoot}}))
	_, err = New(contract.Time{Wall: 5}, o, &contract.Effects{})
	require.ErrorIs(t, err, codec.ErrCorrupt, "an identity without its clock")
}

// The address book lets a restarted node find the others although its seeds answer no more.
func TestAddressBookOutlivesTheSeeds(t *testing.T) {
	b := newBench(t, 3)
	b.run(5*time.Second, func() bool { return b.members(3) })
	b.run(time.Second, nil)
	book, err := membership.StoredBook(b.machine[2].store, contract.DefaultTuning().MembersBytesMax)
	require.NoError(t, err)
	require.Len(t, book, 2)
	require.Equal(t, swim.Alive, book[0].State)
}
