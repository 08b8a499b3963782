package swim

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func scaleConfig() Config {
	c := testConfig()
	c.MembersMax = membersHardMax
	return c
}

// plainSWIM is c without what Lifeguard added: no local health, and a suspicion that lasts the same for everybody.
func plainSWIM(c Config) Config {
	c.LocalHealthMax, c.SuspicionMaxMult, c.SuspicionConfirmations = 0, 1, 0
	return c
}

// SWIM's promises at scale (Das, Gupta, Motivala 2002, sections 3 to 5): what a member sends does not depend on how
// many there are, a death is suspected within a few protocol periods, and all know of it O(log n) periods after the
// first.
func TestScaleCostsNothing(t *testing.T) {
	var loads []load
	for _, n := range []int{200, 400} {
		w := newArena(arenaOptions{seed: 1, members: n, config: scaleConfig()})
		w.pass(5 * time.Second)
		l := w.measure(time.Minute)
		loads = append(loads, l)
		t.Logf("%d members: %.2f messages, %.0f bytes a second each, of which tables %.0f; at most %.0f", n, l.messages,
			l.bytes, l.tableBytes, l.bytesMax)
		require.Empty(t, w.accused)

		interval := w.config.ProbeInterval
		least := suspicionTime(&w.config, n, w.config.SuspicionConfirmations, w.config.SuspicionConfirmations, 0)
		most := suspicionTime(&w.config, n, w.config.SuspicionConfirmations, 0, 0)
		for _, c := range w.deaths(3) {
			require.NotZero(t, c.known, "all get to know")
			require.Less(t, c.suspected-c.at, 8*interval,
				"the chance that nobody picks a member for a whole interval is 1/e")
			require.GreaterOrEqual(t, c.dead-c.suspected, least-interval)
			require.LessOrEqual(t, c.dead-c.suspected, most)
			require.LessOrEqual(t, c.known-c.dead, time.Duration(2*log2Ceil(n))*interval, "gossip is an epidemic")
		}
		require.Empty(t, w.buried)
	}
	require.InEpsilon(t, loads[0].messages, loads[1].messages, 0.05)
	require.InEpsilon(t, loads[0].bytes, loads[1].bytes, 0.2)
	require.InEpsilon(t, loads[0].bytesMax, loads[1].bytesMax, 0.2)
}

// One seed is one run.
func TestScaleIsDeterministic(t *testing.T) {
	run := func() string {
		w := newArena(arenaOptions{seed: 3, members: 100, config: scaleConfig(), loss: 10, slow: 5,
			late: 2 * time.Second})
		c := w.deaths(1)[0]
		return fmt.Sprint(*c, w.seq, w.suspects, w.measure(10*time.Second))
	}
	require.Equal(t, run(), run())
}

// BenchmarkScale is the table in docs/measurements.md:
//
//	go test ./node/swim -run '^$' -bench Scale -benchtime 1x -timeout 1h
//
// For each size and kind of trouble it reports, in virtual time: the load in a quiet minute; three crashes, from the
// crash to the first suspicion, to the first death certificate, and to when all had it; and what was said about members
// that were well. 5,000 members take 3 GB of memory and some minutes; with -short only the small clusters are measured.
func BenchmarkScale(b *testing.B) {
	for _, trouble := range []struct {
		name    string
		largest int // simulating an overload takes long.
		arenaOptions
	}{
		{"healthy", 5000, arenaOptions{config: scaleConfig()}},
		{"loss5", 5000, arenaOptions{config: scaleConfig(), loss: 5}},
		{"loss20", 1000, arenaOptions{config: scaleConfig(), loss: 20}},
		{"late5", 1000, arenaOptions{config: scaleConfig(), slow: 5, late: 2 * time.Second}},
		{"late5-SWIM", 128, arenaOptions{config: plainSWIM(scaleConfig()), slow: 5, late: 2 * time.Second}},
	} {
		for _, n := range []int{128, 1000, 5000} {
			if n > trouble.largest || testing.Short() && n > 128 {
				continue
			}
			b.Run(fmt.Sprintf("%s/%d", trouble.name, n), func(b *testing.B) {
				for b.Loop() {
					o := trouble.arenaOptions
					o.seed, o.members = 1, n
					reportScale(b, newArena(o))
				}
			})
		}
	}
}

func reportScale(b *testing.B, w *arena) {
	w.pass(10 * time.Second)
	w.suspects = 0
	quiet := w.measure(time.Minute)
	suspicions := len(w.accused)
	all := w.deaths(3)
	if slices.ContainsFunc(all, func(c *crash) bool { return c.known == 0 }) {
		b.Fatal("not everybody knows of a death")
	}
	b.ReportMetric(quiet.messages, "msg/member/s")
	b.ReportMetric(quiet.bytes-quiet.tableBytes, "gossip-B/member/s")
	b.ReportMetric(quiet.tableBytes, "table-B/member/s")
	b.ReportMetric(mean(all, func(c *crash) time.Duration { return c.suspected - c.at }), "suspected-s")
	b.ReportMetric(mean(all, func(c *crash) time.Duration { return c.dead - c.at }), "dead-s")
	b.ReportMetric(mean(all, func(c *crash) time.Duration { return c.known - c.dead }), "spread-s")
	b.ReportMetric(float64(suspicions), "well-suspected/min")
	b.ReportMetric(float64(len(w.buried)), "well-buried")
	b.ReportMetric(0, "ns/op")
}
