package node

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node/hlc"
	"kvs/node/swim"
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
	b.do(0, OpPut, "a/b", "one")
	b.run(time.Second, func() bool { return b.shows(1, "a/b") == "one" && b.shows(2, "a/b") == "one" })
	b.do(2, OpDelete, "a/b", "")
	b.run(time.Second, func() bool { return b.shows(0, "a/b") == "" && b.same() })
	transcript(t, b, "write-reaches-everybody.txt")
}

// While one member cannot be reached its queue overflows; the comparison brings it what was dropped.
func TestTranscriptComparisonRepairsWhatTheQueueDropped(t *testing.T) {
	b := newBench(t, 2)
	b.run(5*time.Second, func() bool { return b.members(2) })
	b.cut = func(from, to string) bool { return true }
	b.do(0, OpPut, "first", "in flight when the link broke")
	b.machine[0].node.tuning.QueueBytesMax = 150
	for i := range 3 {
		b.do(0, OpPut, fmt.Sprintf("k%d", i), "waits")
	}
	require.Equal(t, uint64(1), b.machine[0].node.Status().Counters.QueueDropped, "k0 has gone")
	b.do(1, OpPut, "other", "written on the far side")
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
	id := b.request(0, OpPut, "a", "lost")
	b.crash(0) // before the fsync came back.
	b.start(0)
	b.run(time.Second, nil)
	require.NotContains(t, b.machine[0].replies, id)
	require.Empty(t, b.shows(0, "a"))
	require.Equal(t, CodeCreated, b.do(0, OpPut, "a", "kept").Code)
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
			r := b.do(0, OpPut, "k", "v")
			require.Greater(t, r.Record.TS, last)
			last = r.Record.TS
		}
		b.request(0, OpPut, "k", "issued, perhaps never durable")
		b.machine[0].wall = int64(-3600_000 * (i % 2))
		b.crash(0)
		b.start(0)
		require.Equal(t, id, b.machine[0].node.ID())
	}
}

func TestReadThroughTheCoreWaitsForTheWriteItShows(t *testing.T) {
	b := newBench(t, 1)
	b.run(time.Second, nil)
	put := b.request(0, OpPut, "a", "x")
	get := b.request(0, OpGet, "a", "")
	require.NotContains(t, b.machine[0].replies, get, "it shows a write whose persist is under way")
	b.run(time.Second, func() bool { return len(b.machine[0].replies) == 2 })
	require.Equal(t, "x", string(b.machine[0].replies[get].Record.Value))
	require.Equal(t, CodeCreated, b.machine[0].replies[put].Code)
	require.Equal(t, CodeNotFound, b.do(0, OpGet, "b", "").Code)
	require.Zero(t, len(b.machine[0].node.overlay.byPath)+len(b.machine[0].node.overlay.order))
}

func TestReadOnlyReasonsAddUp(t *testing.T) {
	b := newBench(t, 2)
	b.run(5*time.Second, func() bool { return b.members(2) })
	b.step(0, &SetReadOnly{Reason: "operator", On: true})
	b.step(0, &SetReadOnly{Reason: "disk", On: true})
	r := b.do(0, OpPut, "a", "x")
	require.Equal(t, CodeDiskFull, r.Code)
	require.Equal(t, OutcomeNotApplied, r.Outcome)
	require.Equal(t, []string{"disk", "operator"}, b.machine[0].node.Status().ModeReasons)
	b.step(0, &SetReadOnly{Reason: "disk"})
	r = b.do(0, OpPut, "a", "x")
	require.Equal(t, CodeReadOnly, r.Code)
	require.Contains(t, r.Detail, "operator")
	require.Equal(t, ModeReadOnly, b.machine[0].node.Mode())
	require.Equal(t, []string{"operator"}, b.machine[0].node.Status().ModeReasons)
	require.Equal(t, CodeCreated, b.do(1, OpPut, "a", "x").Code)
	b.run(time.Second, func() bool { return b.shows(0, "a") == "x" }) // replication goes on.
	b.step(0, &SetReadOnly{Reason: "operator"})
	require.Equal(t, CodeOK, b.do(0, OpPut, "a", "y").Code)
}

func TestDiskFailureEndsService(t *testing.T) {
	b := newBench(t, 1)
	b.run(time.Second, nil)
	b.machine[0].diskErr = errors.New("fsync: input/output error")
	r := b.do(0, OpPut, "a", "x")
	require.Equal(t, CodeFailed, r.Code)
	require.Equal(t, OutcomeUnknown, r.Outcome)
	r = b.do(0, OpPut, "a", "x")
	require.Equal(t, CodeFailed, r.Code)
	require.Equal(t, OutcomeNotApplied, r.Outcome)
	require.Contains(t, r.Detail, "input/output error")
	require.Equal(t, ModeFailed, b.machine[0].node.Mode())
}

func TestRotIsReportedAndRepairedFromAPeer(t *testing.T) {
	b := newBench(t, 2)
	b.run(5*time.Second, func() bool { return b.members(2) })
	b.do(0, OpPut, "a", "precious")
	b.run(time.Second, b.same)
	rotten := append([]byte{}, b.machine[1].store.m[prefixRecord+"a"]...)
	rotten[45] ^= 4
	b.machine[1].store.m[prefixRecord+"a"] = rotten
	r := b.do(1, OpGet, "a", "")
	require.Equal(t, CodeCorrupt, r.Code)
	b.run(time.Minute, b.same)
	require.Equal(t, "precious", b.shows(1, "a"))
}

// What waits for a member is read again before it is sent, and may have rotted meanwhile: it is not sent then, and the writer's
// own copy stays reported as damaged.
func TestRotIsNotSpread(t *testing.T) {
	b := newBench(t, 2)
	b.run(5*time.Second, func() bool { return b.members(2) })
	b.cut = func(from, to string) bool { return true }
	b.do(0, OpPut, "a", "precious")
	b.run(time.Second, nil)
	rotten := append([]byte{}, b.machine[0].store.m[prefixRecord+"a"]...)
	rotten[45] ^= 4
	b.machine[0].store.m[prefixRecord+"a"] = rotten
	b.cut = nil
	b.run(2*time.Minute, nil)
	require.Zero(t, b.machine[1].node.counters.FramesBad)
	require.Empty(t, b.shows(1, "a"))
	r := b.do(0, OpGet, "a", "")
	require.Equal(t, CodeCorrupt, r.Code)
}

func TestForeignClustersDoNotMix(t *testing.T) {
	b := newBench(t, 1)
	stranger := &Node{id: 5, cluster: clusterHash("another")}
	b.step(0, &Frame{Data: stranger.encodeReplicateAck(1)})
	b.step(0, &Frame{Data: []byte("garbage that is long enough to be an envelope")})
	b.step(0, &Datagram{From: "x", Data: []byte{1}})
	c := b.machine[0].node.Status().Counters
	require.Equal(t, uint64(1), c.OtherCluster)
	require.Equal(t, uint64(1), c.FramesBad)
	require.Equal(t, uint64(1), c.DatagramsBad)
}

func TestNewRefuses(t *testing.T) {
	good := func() Options {
		return Options{Name: "a", Addr: "a", Cluster: "c", Store: newMapStore(), Rand: rand.New(rand.NewPCG(1, 1))}
	}
	for want, spoil := range map[string]func(*Options){
		"node name":    func(o *Options) { o.Name = "" },
		"node address": func(o *Options) { o.Addr = "" },
		"cluster name": func(o *Options) { o.Cluster = "" },
		"randomness":   func(o *Options) { o.Rand = nil },
		"a store":      func(o *Options) { o.Store = nil },
		"tuning":       func(o *Options) { o.Tuning = DefaultTuning(); o.Tuning.SyncPageKeys = 0 },
	} {
		o := good()
		spoil(&o)
		_, err := New(Time{}, o, &Effects{})
		require.ErrorContains(t, err, want)
	}
	o := good()
	var eff Effects
	_, err := New(Time{Wall: 5}, o, &eff)
	require.NoError(t, err)
	s := o.Store.(*mapStore)
	require.NoError(t, s.Apply(eff.Persist.Ops))
	o.Cluster = "d"
	_, err = New(Time{Wall: 5}, o, &Effects{})
	require.ErrorContains(t, err, `belongs to cluster "c"`)
	o.Cluster = "c"
	s.m[keyBoot][3] ^= 1
	_, err = New(Time{Wall: 5}, o, &Effects{})
	require.ErrorIs(t, err, ErrCorrupt)
	require.NoError(t, s.Apply([]Op{{Key: keyBoot}}))
	_, err = New(Time{Wall: 5}, o, &Effects{})
	require.ErrorIs(t, err, ErrCorrupt, "an identity without its clock")
}

// The address book lets a restarted node find the others although its seeds answer no more.
func TestAddressBookOutlivesTheSeeds(t *testing.T) {
	b := newBench(t, 3)
	b.run(5*time.Second, func() bool { return b.members(3) })
	b.run(time.Second, nil)
	book, err := b.machine[2].node.recoverBook()
	require.NoError(t, err)
	require.Len(t, book, 2)
	require.Equal(t, swim.Alive, book[0].State)
}

func TestSendQueue(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	var q sendQueue
	model := []entry{}
	for i := range 5000 {
		if rng.IntN(3) == 0 && q.len() > 0 {
			require.Equal(t, model[0], q.pop())
			model = model[1:]
		} else {
			path := fmt.Sprintf("k%d", rng.IntN(60))
			r := Record{TS: Timestamp(i + 1), UUID: UUID{1}, Value: make([]byte, rng.IntN(50))}
			e := entry{path, encodeRecord(path, &r)}
			replaced := false
			for j := range model {
				if model[j].path == path {
					model[j], replaced = e, true
				}
			}
			if !replaced {
				model = append(model, e)
			}
			bytes := 0
			for j := range model {
				bytes += model[j].wireBytes()
			}
			want := uint64(0)
			for bytes > 3000 {
				bytes -= model[0].wireBytes()
				model = model[1:]
				want++
			}
			require.Equal(t, want, q.push(e, 3000))
			require.Equal(t, bytes, q.bytes)
		}
		require.Equal(t, len(model), q.len())
		require.Len(t, q.index, q.len())
	}
}
