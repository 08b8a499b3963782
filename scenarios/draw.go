package scenarios

import (
	"math/rand/v2"
	"slices"
	"time"

	"kvs/chaos"
)

func (r *Random) genOptions(nodes int, duration time.Duration) chaos.GenOptions {
	return chaos.GenOptions{
		Nodes: nodes, Duration: duration, Kinds: r.Kinds, Every: r.Every, Length: r.Length, LengthMax: r.LengthMax,
		KeepMajority: r.KeepMajority, Patterns: r.Patterns,
	}
}

// Draw turns s into a scenario that can be run and printed: a random plan becomes a list of faults, and a swarm
// becomes one experiment within its bounds. What is drawn already comes back as it is, and takes nothing from rng: so a
// drawn scenario kept in a file, run with the same seed, is the same run, provided that rng is used for nothing else.
//
// In a swarm the figures of the scenario are upper bounds: of nodes, clients, keys and hot keys, of pauses and sizes, of
// delays, losses and clock errors, of the length of faults; only `every` is a lower one, and up to ten times of it is drawn.
// Operations without weight stay out, others get a new weight or drop out, but something is always written. Attach "any" may
// become every other way but "apart". Of the kinds of faults about half are on. The clock guard is as the scenario
// says or, half of the time, as good as off; of a mixed workload founders, churn, departures, ends of values and of tombstones are
// drawn as well; crashes look for persists in flight, and there is a phase of a core, half of the time, where they may. Duration, settle,
// level, timeout, the rest of tuning, and expectations stay.
func Draw(rng *rand.Rand, s Scenario) Scenario {
	s.Expect = slices.Clone(s.Expect)
	s.Plan.Events = slices.Clone(s.Plan.Events)
	swarm := s.Swarm
	if swarm {
		s = drawSwarm(rng, s)
	}
	if s.Random != nil {
		s.Plan = chaos.Generate(rng, s.Random.genOptions(s.Nodes, s.Duration))
		s.Random = nil
	}
	if swarm && s.Core > 0 && rng.IntN(2) == 0 {
		s.Core = 0
	}
	return s
}

func drawSwarm(rng *rand.Rand, s Scenario) Scenario {
	s.Swarm = false
	s.Nodes = 1 + rng.IntN(s.Nodes)
	s.Clients = 1 + rng.IntN(s.Clients)
	s.Workload = drawWorkload(rng, s.Workload)
	s.Network.Delay, s.Network.DelayMax = drawRange(rng, s.Network.Delay, s.Network.DelayMax, 100)
	for _, share := range []*int64{&s.Network.Loss, &s.Network.Duplicate, &s.Network.Reorder, &s.Network.Corrupt} {
		*share = drawShare(rng, *share)
	}
	s.Clocks.Skew, s.Clocks.SkewMax = drawRange(rng, s.Clocks.Skew, s.Clocks.SkewMax, 100)
	s.Clocks.DriftMax = chaos.DrawLog(rng, max(s.Clocks.Drift, s.Clocks.DriftMax/100), s.Clocks.DriftMax)
	s.Disk.Sync, s.Disk.SyncMax = drawRange(rng, s.Disk.Sync, s.Disk.SyncMax, 100)
	if rng.IntN(2) == 0 {
		s.Tuning.Clock = max(s.Tuning.Clock, 24*time.Hour)
	}
	if s.Disk.Busy {
		s.Disk.Busy = rng.IntN(2) == 0
	}
	if s.Workload.Mixed {
		s = drawMixed(rng, s)
	}
	if s.Random != nil {
		r := *s.Random
		r.Kinds = chaos.DrawKinds(rng, r.Kinds)
		r.Every = time.Duration(chaos.DrawLog(rng, int64(r.Every), int64(min(10*r.Every, chaos.DurationMax))))
		r.Length, r.LengthMax = drawRange(rng, r.Length, r.LengthMax, 10)
		r.KeepMajority = r.KeepMajority || rng.IntN(2) == 0
		if s.Workload.Mixed {
			r.Patterns = r.Patterns && rng.IntN(2) == 0
		}
		s.Random = &r
	}
	return s
}

// drawMixed draws what only a swarm with all levels has: who founds the cluster, who comes and goes, whether values expire and how
// long tombstones stay.
func drawMixed(rng *rand.Rand, s Scenario) Scenario {
	s.Workload.Keys = max(s.Workload.Keys, len(mixedDirs))
	if rng.IntN(2) == 0 {
		s.Voters.First = 0
	}
	s.Voters.Churn, s.Voters.Depart = drawShare(rng, s.Voters.Churn), drawShare(rng, s.Voters.Depart)
	if rng.IntN(2) == 0 {
		s.Workload.TTL, s.Workload.TTLMax = 0, 0
	}
	if rng.IntN(2) == 0 {
		s.Tuning.Grace = max(s.Tuning.Grace, time.Hour)
	}
	return s
}

func drawWorkload(rng *rand.Rand, w Workload) Workload {
	w.Keys = int(chaos.DrawLog(rng, 1, int64(w.Keys)))
	for _, weight := range []*int{&w.Get, &w.Put, &w.Delete, &w.List, &w.CAS, &w.CASDelete} {
		switch {
		case *weight == 0:
		case rng.IntN(4) == 0:
			*weight = 0
		default:
			*weight = 1 + rng.IntN(100)
		}
	}
	w.Put = max(w.Put, 1+rng.IntN(20))
	w.Hot = drawShare(rng, w.Hot)
	w.Core = drawShare(rng, w.Core)
	w.Retry = drawShare(rng, w.Retry)
	w.Think, w.ThinkMax = drawRange(rng, w.Think, w.ThinkMax, 100)
	size := int(chaos.DrawLog(rng, int64(w.Value), int64(w.ValueMax)))
	w.ValueMax = size
	if w.Attach == AttachAny {
		w.Attach = [...]Attach{AttachAny, AttachAny, AttachOwn, AttachOne}[rng.IntN(4)]
	}
	return w
}

// drawRange draws a range within lo..hi. Its upper end is of any order of magnitude between hi/span and hi: a smaller one would
// hardly differ from none. Now and then the range is a single value: equal delays bring things to the same moment that
// otherwise never meet.
func drawRange(rng *rand.Rand, lo, hi time.Duration, span int64) (time.Duration, time.Duration) {
	least, most := int64(lo/time.Microsecond), int64(hi/time.Microsecond)
	top := time.Duration(chaos.DrawLog(rng, max(least, most/span), most)) * time.Microsecond
	top = min(max(top, lo), hi)
	if rng.IntN(4) == 0 {
		return top, top
	}
	return lo, top
}

// drawShare draws none half of the time, and otherwise a share between a hundredth of most and most.
func drawShare(rng *rand.Rand, most int64) int64 {
	if most == 0 || rng.IntN(2) == 0 {
		return 0
	}
	return chaos.DrawLog(rng, max(1, most/100), most)
}
