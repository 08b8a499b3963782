package node

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var standingNames = [...]string{"unknown", "ready", "serving", "pulling", "empty"}

// describeBootstrap words the messages of a bootstrap for a transcript.
func (b *bench) describeBootstrap(kind msgKind, body []byte) string {
	switch kind {
	case msgHello:
		m, _ := decodeHello(body)
		if m.answer {
			return fmt.Sprintf("hello, I am %s, and you?", standingNames[m.standing])
		}
		return fmt.Sprintf("hello, I am %s", standingNames[m.standing])
	case msgPlanAsk:
		return "plan-ask"
	case msgPlan:
		m, _ := decodePlan(body)
		return fmt.Sprintf("plan ready=%v keys=%d bands=%d", m.ready, m.keys, len(m.bounds))
	case msgPageAsk:
		m, _ := decodePageAsk(body)
		return fmt.Sprintf("page-ask newer=%v from=%q", m.hi == 0, m.from)
	}
	m, _ := decodePage(body)
	what := fmt.Sprintf("page next=%q", m.next)
	for _, e := range m.entries {
		what += " " + e.path
	}
	return what
}

// join adds a machine with an empty disk.
func (b *bench) join() int {
	b.newcomers = true
	i := len(b.machine)
	b.machine = append(b.machine, &machine{name: fmt.Sprintf("n%d", i+1), store: newMapStore(), replies: map[uint64]Response{}})
	b.note("n%d starts with an empty disk", i+1)
	b.start(i)
	return i
}

func (b *bench) mode(i int, m Mode) func() bool {
	return func() bool { return b.machine[i].node.Mode() == m }
}

func (b *bench) logged(i int, text string) bool {
	for _, l := range b.machine[i].logs {
		if strings.Contains(l.Msg, text) {
			return true
		}
	}
	return false
}

func TestBootstrapTranscript(t *testing.T) {
	b := newBench(t, 2)
	b.run(5*time.Second, func() bool { return b.members(2) })
	for i := range 3 {
		require.Equal(t, CodeCreated, b.do(0, OpPut, fmt.Sprintf("k%d", i), "old").Code)
	}
	b.run(time.Second, b.same)
	b.say = &strings.Builder{}
	b.tune = func(t *Tuning) { t.BootstrapPageBytes = 150 } // two records.
	n3 := b.join()
	require.Equal(t, ModeSyncing, b.machine[n3].node.Mode())
	require.Equal(t, CodeSyncing, b.do(n3, OpPut, "refused", "x").Code)
	b.run(time.Second, func() bool { return b.machine[n3].node.bootstrap.phase == bootPulling })
	require.Equal(t, CodeSyncing, b.do(n3, OpGet, "k1", "").Code)
	require.Equal(t, CodeCreated, b.do(0, OpPut, "meanwhile", "new").Code)
	b.run(5*time.Second, b.mode(n3, ModeNormal))
	b.note("n3 serves")
	require.Equal(t, "old", b.shows(n3, "k1"))
	require.Equal(t, "new", b.shows(n3, "meanwhile"))
	require.Equal(t, CodeOK, b.do(n3, OpPut, "k1", "by the newcomer").Code)
	transcript(t, b, "bootstrap.txt")
	require.NotContains(t, b.machine[n3].store.m, keyBootstrap)
}

// Rule 2: three that start together from nothing need not wait for anybody.
func TestNewClusterServesSoon(t *testing.T) {
	b := newBench(t, 0)
	b.join()
	b.run(300*time.Millisecond, nil)
	b.join()
	b.run(20*time.Millisecond, nil)
	b.join()
	b.run(1500*time.Millisecond, func() bool {
		return b.mode(0, ModeNormal)() && b.mode(1, ModeNormal)() && b.mode(2, ModeNormal)()
	})
	for i := range b.machine {
		require.True(t, b.machine[i].node.bootstrap.complete())
	}
}

// Rule 3: nobody answers. It serves after the wait, goes on doing so after a restart, and is in step once somebody is met.
func TestNewcomerAloneServesAfterTheWait(t *testing.T) {
	b := newBench(t, 1)
	require.Equal(t, CodeCreated, b.do(0, OpPut, "there", "all the time").Code)
	b.cut = func(from, to string) bool { return true }
	n2 := b.join()
	b.run(9900*time.Millisecond, nil)
	require.Equal(t, ModeSyncing, b.machine[n2].node.Mode())
	b.run(200*time.Millisecond, b.mode(n2, ModeNormal))
	require.True(t, b.logged(n2, "no member that serves could be reached"))
	require.Equal(t, CodeCreated, b.do(n2, OpPut, "mine", "x").Code)

	b.crash(n2)
	b.start(n2)
	require.Equal(t, ModeNormal, b.machine[n2].node.Mode())
	require.NotNil(t, b.machine[n2].node.Status().Bootstrap)

	b.cut = nil
	b.run(time.Minute, func() bool { return b.machine[n2].node.bootstrap.complete() })
	require.Equal(t, "all the time", b.shows(n2, "there"))
	b.run(time.Minute, b.same)
}

// fill writes keys at a machine, one after the other, so that their timestamps rise, and waits until all have them.
func (b *bench) fill(i, keys, bytes int) {
	for k := range keys {
		require.Equal(b.t, CodeCreated, b.do(i, OpPut, fmt.Sprintf("k%04d", (k*7919)%keys), strings.Repeat("v", bytes)).Code)
	}
	b.run(time.Minute, b.same)
}

// A restart goes on where it was, with whatever member there is.
func TestBootstrapGoesOn(t *testing.T) {
	b := newBench(t, 2)
	b.run(5*time.Second, func() bool { return b.members(2) })
	b.fill(0, 200, 100)
	b.tune = func(t *Tuning) { t.BootstrapPageBytes, t.BootstrapRate = 1000, 20_000 }
	n3 := b.join()
	keys := func() uint64 { return b.machine[n3].node.bootstrap.cursor.keys }
	b.run(5*time.Second, func() bool { return keys() > 50 })
	b.crash(n3)
	b.start(n3)
	before := keys()
	require.Greater(t, before, uint64(40), "what was durable counts")
	require.True(t, b.machine[n3].node.Status().Bootstrap.Resumed)
	require.Equal(t, ModeSyncing, b.machine[n3].node.Mode())
	b.run(5*time.Second, func() bool { return keys() > before+20 })

	// Its server goes: the other one takes over.
	server := 0
	if b.machine[n3].node.bootstrap.server == b.machine[1].node.ID() {
		server = 1
	}
	b.crash(server)
	b.run(time.Minute, b.mode(n3, ModeNormal))
	require.Less(t, b.machine[n3].node.counters.BootstrapKeys, uint64(170), "it did not begin again")
	b.run(time.Minute, b.same)
}

// The rate holds, and the newest data come first.
func TestBootstrapIsThrottledAndNewestFirst(t *testing.T) {
	b := newBench(t, 1)
	const keys, size = 600, 10_000
	b.fill(0, keys, size)
	b.tune = func(t *Tuning) { t.BootstrapRate, t.BootstrapPageBytes = 1<<20, 64<<10 }
	n2 := b.join()
	begun := b.now
	n := b.machine[n2].node
	b.run(time.Minute, func() bool { return n.bootstrap.cursor.band == 1 })
	oldest := Timestamp(1 << 62)
	held := 0
	require.NoError(t, b.machine[n2].store.Scan(prefixRecord, "", func(key string, value []byte) bool {
		slot, err := DecodeSlot(key[len(prefixRecord):], value)
		require.NoError(t, err)
		oldest = min(oldest, slot.TS)
		held++
		return true
	}))
	newer := 0
	require.NoError(t, b.machine[0].store.Scan(prefixRecord, "", func(key string, value []byte) bool {
		slot, _ := DecodeSlot(key[len(prefixRecord):], value)
		if slot.TS >= oldest {
			newer++
		}
		return true
	}))
	require.Greater(t, held, keys/40)
	require.Less(t, held, keys/8)
	require.InDelta(t, newer, held, 8, "everything newer than the oldest it holds is there, but for the last page")
	b.run(time.Minute, b.mode(n2, ModeNormal))
	took := b.now - begun
	require.Greater(t, took, 5*time.Second, "6 MB at 1 MiB a second")
	require.Less(t, took, 15*time.Second)
	require.True(t, b.same())
}

// Nothing is compared while pages come: that would bring everything at once.
func TestComparisonsWaitForTheBootstrap(t *testing.T) {
	b := newBench(t, 2)
	b.run(5*time.Second, func() bool { return b.members(2) })
	b.fill(0, 300, 1000)
	b.tune = func(t *Tuning) { t.BootstrapRate, t.BootstrapPageBytes = 10_000, 2000 }
	n3 := b.join()
	b.run(20*time.Second, nil)
	n := b.machine[n3].node
	require.Equal(t, ModeSyncing, n.Mode())
	require.InDelta(t, int(n.bootstrap.cursor.keys), n.counters.Merged, 1, "nothing came otherwise")
	s := n.Status()
	require.Equal(t, "pulling", s.Bootstrap.Phase)
	require.InDelta(t, 10_000, s.Bootstrap.Rate, 2500)
	require.Greater(t, s.Bootstrap.ETA, 5*time.Second)
	require.Contains(t, s.ModeReasons[0], "of about 300 keys")
	require.Len(t, s.Bootstrap.Ready, 2)
}

// A newcomer is asked nothing and counts for nothing before it votes: a cluster of two in which one is down has no majority with it.
func TestNewcomerDoesNotCount(t *testing.T) {
	b := founded(t, 2)
	b.fill(0, 300, 1000)
	b.tune = func(t *Tuning) { t.BootstrapRate, t.BootstrapPageBytes = 10_000, 2000 }
	n3 := b.join()
	b.run(5*time.Second, func() bool { return b.members(3) })
	b.crash(1)
	r := b.doQuorum(0, OpPut, "w", "stored by the newcomer, too")
	require.Equal(t, CodeNoQuorum, r.Code)
	require.Equal(t, OutcomeUnknown, r.Outcome)
	id := b.quorum(0, OpGet, "k0001", "")
	b.run(15*time.Second, func() bool { _, ok := b.machine[0].replies[id]; return ok })
	require.Equal(t, CodeNoQuorum, b.machine[0].replies[id].Code, "n1 alone is no majority of two")
	require.Equal(t, ModeSyncing, b.machine[n3].node.Mode())
}

// A node that was told to join later is a newcomer while it has nothing, and else it is not.
func TestJoinOfAnEmptyNode(t *testing.T) {
	b := newBench(t, 2)
	b.run(5*time.Second, func() bool { return b.members(2) })
	n := b.machine[0].node
	n.opts.Founder = false
	b.step(0, &Join{Addrs: []string{"n2"}})
	require.Equal(t, ModeSyncing, n.Mode())
	b.run(5*time.Second, b.mode(0, ModeNormal))
	require.Equal(t, CodeCreated, b.do(0, OpPut, "a", "1").Code)
	b.step(0, &Join{Addrs: []string{"n2"}})
	require.Equal(t, ModeNormal, n.Mode())
}

func TestTokenBucket(t *testing.T) {
	b := tokenBucket{rate: 1000, burst: 100}
	require.Zero(t, b.take(time.Hour, 100))
	wait := b.take(time.Hour, 500)
	require.InDelta(t, 500*time.Millisecond, wait, float64(time.Microsecond))
	require.Zero(t, b.take(time.Hour+wait, 0))
	require.NotZero(t, b.take(time.Hour+wait, 10))
	total, now := 0, 2*time.Hour
	for now < 2*time.Hour+10*time.Second {
		total += 77
		now += b.take(now, 77)
	}
	require.InDelta(t, 10_000, total, 300)
}

func TestBootstrapRecordRefusesJunk(t *testing.T) {
	b := newBench(t, 1)
	n := b.machine[0].node
	n.bootstrap = bootstrap{phase: bootPulling, plan: bootPlan{10, 1000, []Timestamp{77, 5, 0}}, cursor: bootCursor{3, 300, 1, "a/b"}}
	n.noteBootstrap()
	good := n.ops[len(n.ops)-1].Value
	n.ops = nil
	golden(t, "bootstrap-v1.hex", []byte(fmt.Sprintf("%x\n", good)))
	recoverFrom := func(v []byte) error {
		fresh := &Node{store: newMapStore(), eff: &Effects{}, tuning: DefaultTuning()}
		require.NoError(t, fresh.store.(*mapStore).Apply([]Op{{Key: keyBootstrap, Value: v}}))
		err := fresh.recoverBootstrap()
		if err == nil {
			require.Equal(t, n.bootstrap.plan, fresh.bootstrap.plan)
			require.Equal(t, n.bootstrap.cursor, fresh.bootstrap.cursor)
		}
		return err
	}
	require.NoError(t, recoverFrom(good))
	for i := range good {
		bad := append([]byte{}, good...)
		bad[i] ^= 1
		require.ErrorIs(t, recoverFrom(bad), ErrCorrupt)
		require.ErrorIs(t, recoverFrom(good[:i]), ErrCorrupt)
	}
	reseal := func(change func(b []byte) []byte) []byte {
		return sealMeta(keyBootstrap, change(append([]byte{}, good[:len(good)-4]...)))
	}
	require.ErrorIs(t, recoverFrom(reseal(func(b []byte) []byte { return append(b, 0) })), ErrCorrupt)
	require.ErrorIs(t, recoverFrom(reseal(func(b []byte) []byte { b[1] = 9; return b })), ErrCorrupt, "an unknown phase")
	require.ErrorIs(t, recoverFrom(reseal(func(b []byte) []byte { b[19] = 3; return b })), ErrCorrupt, "a band beyond the plan")
}
