package node

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"kvs/node/contract"
	"kvs/node/schema"
	"kvs/node/slot"
	"kvs/node/wire"

	"github.com/stretchr/testify/require"
)

// describeBootstrap words the messages of a bootstrap for a transcript.
func describeBootstrap(body wire.Body) string {
	switch m := body.(type) {
	case *wire.Hello:
		what := "hello"
		if m.Answers != 0 {
			what = "answer"
		}
		if m.Asks != 0 {
			return fmt.Sprintf("%s, I am %s, and you?", what, m.Standing)
		}
		return fmt.Sprintf("%s, I am %s", what, m.Standing)
	case *wire.PlanAsk:
		return "plan-ask"
	case *wire.Plan:
		return fmt.Sprintf("plan ready=%v keys=%d bands=%d", m.Ready, m.Keys, len(m.Bounds))
	case *wire.PageAsk:
		return fmt.Sprintf("page-ask newer=%v from=%q", m.Hi == 0, m.From)
	case *wire.Page:
		what := fmt.Sprintf("page next=%q", m.Next)
		for _, e := range m.Entries {
			what += " " + e.Path
		}
		return what
	}
	return ""
}

// join adds a machine with an empty disk.
func (b *bench) join() int {
	b.newcomers = true
	i := len(b.machine)
	b.add()
	b.note("n%d starts with an empty disk", i+1)
	b.start(i)
	return i
}

// pulling is how far a machine's bootstrap is; nothing when none is under way.
func (b *bench) pulling(i int) BootstrapStatus {
	if s := b.machine[i].node.Status().Bootstrap; s != nil {
		return *s
	}
	return BootstrapStatus{}
}

func (b *bench) mode(i int, m contract.Mode) func() bool {
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
		require.Equal(t, contract.CodeCreated, b.do(0, contract.OpPut, fmt.Sprintf("k%d", i), "old").Code)
	}
	b.run(time.Second, b.same)
	b.say = &strings.Builder{}
	b.tune = func(t *contract.Tuning) { t.BootstrapPageBytes = 150 } // two records.
	n3 := b.join()
	require.Equal(t, contract.ModeSyncing, b.machine[n3].node.Mode())
	require.Equal(t, contract.CodeSyncing, b.do(n3, contract.OpPut, "refused", "x").Code)
	b.run(time.Second, func() bool { return b.pulling(n3).Phase == "pulling" })
	require.Equal(t, contract.CodeSyncing, b.do(n3, contract.OpGet, "k1", "").Code)
	require.Equal(t, contract.CodeCreated, b.do(0, contract.OpPut, "meanwhile", "new").Code)
	b.run(5*time.Second, b.mode(n3, contract.ModeNormal))
	b.note("n3 serves")
	require.Equal(t, "old", b.shows(n3, "k1"))
	require.Equal(t, "new", b.shows(n3, "meanwhile"))
	require.Equal(t, contract.CodeOK, b.do(n3, contract.OpPut, "k1", "by the newcomer").Code)
	transcript(t, b, "bootstrap.txt")
	require.Nil(t, b.machine[n3].get(schema.KeyBootstrap))
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
		return b.mode(0, contract.ModeNormal)() && b.mode(1, contract.ModeNormal)() && b.mode(2, contract.ModeNormal)()
	})
	for i := range b.machine {
		require.True(t, b.machine[i].node.bootstrap.Complete())
	}
}

// Rule 3: nobody answers. It serves after the wait, goes on doing so after a restart, and is in step once somebody is
// met.
func TestNewcomerAloneServesAfterTheWait(t *testing.T) {
	b := newBench(t, 1)
	require.Equal(t, contract.CodeCreated, b.do(0, contract.OpPut, "there", "all the time").Code)
	b.cut = func(from, to string) bool { return true }
	n2 := b.join()
	b.run(9900*time.Millisecond, nil)
	require.Equal(t, contract.ModeSyncing, b.machine[n2].node.Mode())
	b.run(200*time.Millisecond, b.mode(n2, contract.ModeNormal))
	require.True(t, b.logged(n2, "no member that serves could be reached"))
	require.Equal(t, contract.CodeCreated, b.do(n2, contract.OpPut, "mine", "x").Code)

	b.crash(n2)
	b.start(n2)
	require.Equal(t, contract.ModeNormal, b.machine[n2].node.Mode())
	require.NotNil(t, b.machine[n2].node.Status().Bootstrap)

	b.cut = nil
	b.run(time.Minute, func() bool { return b.machine[n2].node.bootstrap.Complete() })
	require.Equal(t, "all the time", b.shows(n2, "there"))
	b.run(time.Minute, b.same)
}

// Rule 3 is not for a newcomer that was stopped while it waited.
func TestNewcomerThatSleptHasTheData(t *testing.T) {
	b := newBench(t, 1)
	require.Equal(t, contract.CodeCreated, b.do(0, contract.OpPut, "there", "all the time").Code)
	n2 := b.join()
	b.sleep(n2, 20*time.Second)
	require.Equal(t, contract.ModeSyncing, b.machine[n2].node.Mode())
	b.run(10*time.Second, b.mode(n2, contract.ModeNormal))
	require.Equal(t, "all the time", b.shows(n2, "there"))
}

// fill writes keys at a machine, one after the other, so that their timestamps rise, and waits until all have them.
func (b *bench) fill(i, keys, bytes int) {
	for k := range keys {
		require.Equal(b.t, contract.CodeCreated,
			b.do(i, contract.OpPut, fmt.Sprintf("k%04d", (k*7919)%keys), strings.Repeat("v", bytes)).Code)
	}
	b.run(time.Minute, b.same)
}

// A restart goes on where it was, with whatever member there is.
func TestBootstrapGoesOn(t *testing.T) {
	b := newBench(t, 2)
	b.run(5*time.Second, func() bool { return b.members(2) })
	b.fill(0, 200, 100)
	b.tune = func(t *contract.Tuning) { t.BootstrapPageBytes, t.BootstrapRate = 1000, 20_000 }
	n3 := b.join()
	keys := func() uint64 { return b.pulling(n3).KeysDone }
	b.run(5*time.Second, func() bool { return keys() > 50 })
	b.crash(n3)
	b.start(n3)
	before := keys()
	require.Greater(t, before, uint64(40), "what was durable counts")
	require.True(t, b.machine[n3].node.Status().Bootstrap.Resumed)
	require.Equal(t, contract.ModeSyncing, b.machine[n3].node.Mode())
	b.run(5*time.Second, func() bool { return keys() > before+20 })

	// Its server goes: the other one takes over.
	server := 0
	if b.pulling(n3).Server == b.machine[1].node.ID() {
		server = 1
	}
	b.crash(server)
	b.run(time.Minute, b.mode(n3, contract.ModeNormal))
	require.Less(t, b.machine[n3].node.Counters.BootstrapKeys, uint64(170), "it did not begin again")
	b.run(time.Minute, b.same)
}

// The rate holds, and the newest data come first.
func TestBootstrapIsThrottledAndNewestFirst(t *testing.T) {
	b := newBench(t, 1)
	const keys, size = 600, 10_000
	b.fill(0, keys, size)
	b.tune = func(t *contract.Tuning) { t.BootstrapRate, t.BootstrapPageBytes = 1<<20, 64<<10 }
	n2 := b.join()
	begun := b.now
	b.run(time.Minute, func() bool { return b.pulling(n2).Band == 1 })
	oldest := slot.Timestamp(1 << 62)
	held := 0
	require.NoError(t, b.machine[n2].store.Scan(schema.PrefixRecord, "", func(key string, value []byte) bool {
		slot, err := slot.Decode(key[len(schema.PrefixRecord):], value)
		require.NoError(t, err)
		oldest = min(oldest, slot.TS)
		held++
		return true
	}))
	newer := 0
	require.NoError(t, b.machine[0].store.Scan(schema.PrefixRecord, "", func(key string, value []byte) bool {
		slot, _ := slot.Decode(key[len(schema.PrefixRecord):], value)
		if slot.TS >= oldest {
			newer++
		}
		return true
	}))
	require.Greater(t, held, keys/40)
	require.Less(t, held, keys/8)
	require.InDelta(t, newer, held, 8, "everything newer than the oldest it holds is there, but for the last page")
	b.run(time.Minute, b.mode(n2, contract.ModeNormal))
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
	b.tune = func(t *contract.Tuning) { t.BootstrapRate, t.BootstrapPageBytes = 10_000, 2000 }
	n3 := b.join()
	b.run(20*time.Second, nil)
	n := b.machine[n3].node
	require.Equal(t, contract.ModeSyncing, n.Mode())
	require.InDelta(t, int(b.pulling(n3).KeysDone), n.Counters.Merged, 1, "nothing came otherwise")
	s := n.Status()
	require.Equal(t, "pulling", s.Bootstrap.Phase)
	require.InDelta(t, 10_000, s.Bootstrap.Rate, 2500)
	require.Greater(t, s.Bootstrap.ETA, 5*time.Second)
	require.Contains(t, s.ModeReasons[0], "of about 300 keys")
	require.Len(t, s.Bootstrap.Ready, 2)
}

// A newcomer is asked nothing and counts for nothing before it votes: a cluster of two in which one is down has no
// majority with it.
func TestNewcomerDoesNotCount(t *testing.T) {
	b := founded(t, 2)
	b.fill(0, 300, 1000)
	b.tune = func(t *contract.Tuning) { t.BootstrapRate, t.BootstrapPageBytes = 10_000, 2000 }
	n3 := b.join()
	b.run(5*time.Second, func() bool { return b.members(3) })
	b.crash(1)
	r := b.doQuorum(0, contract.OpPut, "w", "stored by the newcomer, too")
	require.Equal(t, contract.CodeNoQuorum, r.Code)
	require.Equal(t, contract.OutcomeUnknown, r.Outcome)
	id := b.quorum(0, contract.OpGet, "k0001", "")
	b.run(15*time.Second, func() bool { _, ok := b.machine[0].replies[id]; return ok })
	require.Equal(t, contract.CodeNoQuorum, b.machine[0].replies[id].Code, "n1 alone is no majority of two")
	require.Equal(t, contract.ModeSyncing, b.machine[n3].node.Mode())
}

// A node that was told to join later is a newcomer while it has nothing, and else it is not.
func TestJoinOfAnEmptyNode(t *testing.T) {
	b := newBench(t, 2)
	b.run(5*time.Second, func() bool { return b.members(2) })
	n := b.machine[0].node
	n.opts.Founder = false
	b.step(0, &contract.Join{Addrs: []string{"n2"}})
	require.Equal(t, contract.ModeSyncing, n.Mode())
	b.run(5*time.Second, b.mode(0, contract.ModeNormal))
	require.Equal(t, contract.CodeCreated, b.do(0, contract.OpPut, "a", "1").Code)
	b.step(0, &contract.Join{Addrs: []string{"n2"}})
	require.Equal(t, contract.ModeNormal, n.Mode())
}
