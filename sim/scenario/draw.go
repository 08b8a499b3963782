package scenario

import (
	"math/rand/v2"
	"time"

	"kvs/chaos"
)

func (r *Random) genOptions(nodes int, duration time.Duration) chaos.GenOptions {
	return chaos.GenOptions{
		Nodes: nodes, Duration: duration, Kinds: r.Kinds, Every: r.Every, Length: r.Length, LengthMax: r.LengthMax,
		KeepMajority: r.KeepMajority, Patterns: r.Patterns,
	}
}

// Draw turns s into a scenario that can be run and printed: a random plan becomes a list of faults, and a swarm becomes
// one experiment within its bounds. A drawn scenario comes back as it is, and takes nothing from rng: so a drawn
// scenario kept in a file, run with the same seed, is the same run, provided that rng is used for nothing else. The
// result shares no mutable memory with s.
//
// In a swarm the figures of the scenario are upper bounds: of nodes and clients, of delays, losses and clock errors, of
// the length of faults; only `every` is a lower one, and up to ten times of it is drawn. Of the kinds of faults about
// half are on. Crashes look for persists in flight, and there is a phase of a core, half of the time, where they may.
// Duration, settle and expectations stay. The system draws its own sections: see Sections.
func Draw(rng *rand.Rand, s Scenario) Scenario {
	s = s.Clone()
	swarm := s.Swarm
	if swarm {
		drawSwarm(rng, &s)
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

func drawSwarm(rng *rand.Rand, s *Scenario) {
	s.Swarm = false
	s.Nodes = 1 + rng.IntN(s.Nodes)
	s.Clients = 1 + rng.IntN(s.Clients)
	s.Own.Draw(rng, s, AfterClients)
	s.Network.Delay, s.Network.DelayMax = DrawRange(rng, s.Network.Delay, s.Network.DelayMax, 100)
	for _, share := range []*int64{&s.Network.Loss, &s.Network.Duplicate, &s.Network.Reorder, &s.Network.Corrupt} {
		*share = DrawShare(rng, *share)
	}
	s.Clocks.Skew, s.Clocks.SkewMax = DrawRange(rng, s.Clocks.Skew, s.Clocks.SkewMax, 100)
	s.Clocks.DriftMax = chaos.DrawLog(rng, max(s.Clocks.Drift, s.Clocks.DriftMax/100), s.Clocks.DriftMax)
	s.Disk.Sync, s.Disk.SyncMax = DrawRange(rng, s.Disk.Sync, s.Disk.SyncMax, 100)
	s.Own.Draw(rng, s, AfterDisk)
	if s.Disk.Busy {
		s.Disk.Busy = rng.IntN(2) == 0
	}
	s.Own.Draw(rng, s, AfterWorld)
	if r := s.Random; r != nil {
		r.Kinds = chaos.DrawKinds(rng, r.Kinds)
		r.Every = time.Duration(chaos.DrawLog(rng, int64(r.Every), int64(min(10*r.Every, chaos.DurationMax))))
		r.Length, r.LengthMax = DrawRange(rng, r.Length, r.LengthMax, 10)
		r.KeepMajority = r.KeepMajority || rng.IntN(2) == 0
	}
	s.Own.Draw(rng, s, AfterFaults)
}

// DrawRange draws a range within lo..hi. Its upper end is of any order of magnitude between hi/span and hi: a smaller
// one would hardly differ from none. Now and then the range is a single value: with equal delays, events happen at the
// same moment that otherwise never do.
func DrawRange(rng *rand.Rand, lo, hi time.Duration, span int64) (time.Duration, time.Duration) {
	least, most := int64(lo/time.Microsecond), int64(hi/time.Microsecond)
	top := time.Duration(chaos.DrawLog(rng, max(least, most/span), most)) * time.Microsecond
	top = min(max(top, lo), hi)
	if rng.IntN(4) == 0 {
		return top, top
	}
	return lo, top
}

// DrawShare draws none half of the time, and otherwise a share between a hundredth of most and most.
func DrawShare(rng *rand.Rand, most int64) int64 {
	if most == 0 || rng.IntN(2) == 0 {
		return 0
	}
	return chaos.DrawLog(rng, max(1, most/100), most)
}
