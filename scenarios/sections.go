package scenarios

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"kvs/chaos"
	"kvs/node"
	"kvs/sim/scenario"
)

// Sections are kvs' part of scenarios.
type Sections struct {
	Workload Workload
	Tuning   Tuning
	Voters   Voters
	Gossip   Gossip
}

var _ scenario.Sections = (*Sections)(nil)

// NewSections returns the default sections.
func NewSections() *Sections {
	t := node.DefaultTuning()
	return &Sections{
		Workload: defaultWorkload(),
		Tuning: Tuning{Sync: t.SyncInterval, Hints: t.HintTTL, Grace: t.TombstoneGrace, Seeds: 3, Rate: t.BootstrapRate,
			Clock: t.MaxClockOffset, Forward: t.Forwards},
	}
}

// Of returns the sections of a scenario of kvs, to read and to write.
func Of(s *scenario.Scenario) *Sections {
	own, ok := s.Own.(*Sections)
	if !ok {
		panic(fmt.Sprintf("scenarios: scenario %q is one of another system: its sections are a %T", s.Name, s.Own))
	}
	return own
}

// Tuning is the settings of nodes that differ from production.
type Tuning struct {
	Sync  time.Duration // between comparisons of members, and the longest such distance if it is above the usual one.
	Hints time.Duration // hints for a dead member are dropped after it.
	Rate  int           // bytes a second that a newcomer pulls.
	Grace time.Duration // the least time that tombstones stay.
	Seeds int           // addresses that each node is configured with: of the first nodes.
	Clock time.Duration // a member whose clock is further off than this takes no writes.
	// members forward linearizable operations to the preferred proposer of a path.
	Forward bool
}

// Voters is the voters of linearizable operations, and their operator.
type Voters struct {
	// how many members found the cluster; zero: all. The others are promoted as they get in step.
	First    int
	Operator time.Duration // how often the operator demotes voters whose disk is lost; zero: never.
	Churn    int64         // how likely the operator demotes a living voter instead, which comes back by itself.
	// every path is under a strong prefix, and plain writes are sent at other levels than the linearizable one.
	Strong bool
	// how likely a member leaves for good or is removed instead; its machine joins again with an empty disk.
	Depart int64
}

// Gossip is the protection of datagrams, and attacks on them.
type Gossip struct {
	// datagrams are sealed as in a secure cluster, and the senders of frames have proved their names.
	Sealed bool
	// how likely, for each datagram that reaches a member, an attacker without a key sends another one as well: an
	// altered copy of it, an earlier one, or a forged one.
	Strangers int64
}

// Clone implements scenario.Sections.
func (o *Sections) Clone() scenario.Sections {
	c := *o
	return &c
}

// WorkloadKeys implements scenario.Sections.
func (o *Sections) WorkloadKeys() []scenario.Option { return o.Workload.options() }

// Lines implements scenario.Sections.
func (o *Sections) Lines() []scenario.Line {
	return []scenario.Line{{Word: "tuning", Options: o.Tuning.options()}, {Word: "voters", Options: o.Voters.options()},
		{Word: "gossip", Options: o.Gossip.options()}}
}

func (t *Tuning) options() []scenario.Option {
	return []scenario.Option{scenario.Duration("sync", &t.Sync), scenario.Duration("hints", &t.Hints),
		scenario.Duration("grace", &t.Grace), scenario.Int("rate", &t.Rate), scenario.Int("seeds", &t.Seeds),
		scenario.Duration("max-clock-offset", &t.Clock), scenario.Bool("forward", &t.Forward)}
}

func (v *Voters) options() []scenario.Option {
	return []scenario.Option{scenario.Int("first", &v.First), scenario.Duration("operator", &v.Operator),
		scenario.Ratio("churn", &v.Churn), scenario.Ratio("depart", &v.Depart), scenario.Bool("strong", &v.Strong)}
}

func (g *Gossip) options() []scenario.Option {
	return []scenario.Option{scenario.Bool("sealed", &g.Sealed), scenario.Ratio("strangers", &g.Strangers)}
}

// Promises implements scenario.Sections.
func (o *Sections) Promises() []scenario.Promise { return promises }

// Check implements scenario.Sections.
func (o *Sections) Check(s *scenario.Scenario) error {
	if err := o.Workload.check(); err != nil {
		return fmt.Errorf("workload: %w", err)
	}
	if o.Voters.Strong && o.Workload.Level != node.Linearizable {
		return fmt.Errorf("voters: strong=yes makes all writes linearizable; say level=linearizable")
	}
	if err := o.Tuning.check(); err != nil {
		return fmt.Errorf("tuning: %w", err)
	}
	if err := o.Voters.check(); err != nil {
		return fmt.Errorf("voters: %w", err)
	}
	if err := o.Gossip.check(s); err != nil {
		return fmt.Errorf("gossip: %w", err)
	}
	return nil
}

// has reports whether a scenario may have faults of a kind.
func has(s *scenario.Scenario, k chaos.Kind) bool {
	return s.Random != nil && slices.Contains(s.Random.Kinds, k) ||
		slices.ContainsFunc(s.Plan.Events, func(e chaos.Event) bool { return e.Fault.Kind == k })
}

func (g *Gossip) check(s *scenario.Scenario) error {
	switch {
	case g.Strangers < 0 || g.Strangers > chaos.PPMAll:
		return fmt.Errorf("strangers=%s: use 0%% to 100%%", chaos.FormatRatio(g.Strangers))
	case g.Strangers > 0 && !g.Sealed:
		return fmt.Errorf("strangers need sealed=yes: without it members cannot detect them")
	case g.Sealed && has(s, chaos.SwapDisks):
		return fmt.Errorf("sealed=yes: leave out swap-disks: members that prove their names keep them")
	}
	return nil
}

func (t *Tuning) check() error {
	switch {
	case t.Rate < 1:
		return fmt.Errorf("rate=%d: use 1 or more bytes a second", t.Rate)
	case t.Seeds < 1 || t.Seeds > chaos.NodesMax:
		return fmt.Errorf("seeds=%d: use 1 to %d", t.Seeds, chaos.NodesMax)
	}
	for _, b := range []struct {
		key   string
		value time.Duration
		least time.Duration
	}{
		{"max-clock-offset", t.Clock, time.Millisecond}, {"hints", t.Hints, time.Second},
		{"grace", t.Grace, 100 * time.Millisecond}, {"sync", t.Sync, time.Second},
	} {
		if b.value < b.least || b.value > chaos.DurationMax {
			return fmt.Errorf("%s=%s: use %s to %s", b.key, chaos.FormatDuration(b.value),
				chaos.FormatDuration(b.least), chaos.FormatDuration(chaos.DurationMax))
		}
	}
	return nil
}

func (v *Voters) check() error {
	switch {
	case v.First < 0 || v.Operator < 0 || v.Operator > chaos.DurationMax || v.Churn < 0 || v.Churn > chaos.PPMAll ||
		v.Churn > 0 && v.Operator == 0:
		return fmt.Errorf("first=%d operator=%s churn=%s: nothing negative, and no churn without an operator",
			v.First, chaos.FormatDuration(v.Operator), chaos.FormatRatio(v.Churn))
	case v.Depart < 0 || v.Depart > chaos.PPMAll || v.Depart > 0 && v.Operator == 0:
		return fmt.Errorf("depart=%s: want nothing negative, and an operator",
			chaos.FormatRatio(v.Depart))
	}
	return nil
}

// Draw implements scenario.Sections. Of a workload, keys and hot keys, pauses and sizes are upper bounds. Operations
// without weight stay out, others get a new weight or drop out, but something is always written. Attach "any" may
// become every other way but "apart". The clock guard is that of the scenario or, half of the time, practically off. A
// quarter of the linearizable runs does not forward. Of a mixed workload founders, churn, departures, ends of values
// and of tombstones are drawn as well, and whether faults come in patterns. Level, timeout and the rest of tuning stay.
func (o *Sections) Draw(rng *rand.Rand, s *scenario.Scenario, m scenario.Moment) {
	switch m {
	case scenario.AfterClients:
		o.Workload.draw(rng)
	case scenario.AfterDisk:
		if rng.IntN(2) == 0 {
			o.Tuning.Clock = max(o.Tuning.Clock, 24*time.Hour)
		}
	case scenario.AfterWorld:
		if o.Workload.Mixed {
			o.drawMixed(rng)
		}
	case scenario.AfterFaults:
		if o.Workload.Level == node.Linearizable {
			o.Tuning.Forward = o.Tuning.Forward && rng.IntN(4) > 0
		}
		if s.Random != nil && o.Workload.Mixed {
			s.Random.Patterns = s.Random.Patterns && rng.IntN(2) == 0
		}
	}
}

// drawMixed draws the settings that only a swarm with all levels has: founders, departures, expiry of values, and the
// grace of tombstones.
func (o *Sections) drawMixed(rng *rand.Rand) {
	o.Workload.Keys = max(o.Workload.Keys, len(mixedDirs))
	if rng.IntN(2) == 0 {
		o.Voters.First = 0
	}
	o.Voters.Churn, o.Voters.Depart = scenario.DrawShare(rng, o.Voters.Churn), scenario.DrawShare(rng, o.Voters.Depart)
	if rng.IntN(2) == 0 {
		o.Workload.TTL, o.Workload.TTLMax = 0, 0
	}
	if rng.IntN(2) == 0 {
		o.Tuning.Grace = max(o.Tuning.Grace, time.Hour)
	}
}

// Fit implements scenario.Sections.
func (o *Sections) Fit(s *scenario.Scenario) { o.Voters.First = min(o.Voters.First, s.Nodes) }

// Simpler implements scenario.Sections.
func (o *Sections) Simpler() (changes []func(s *scenario.Scenario)) {
	plain := NewSections()
	for _, change := range []func(o *Sections){
		func(o *Sections) { o.Tuning = plain.Tuning },
		func(o *Sections) { o.Voters = plain.Voters },
		func(o *Sections) { o.Gossip.Strangers = 0 },
		func(o *Sections) { o.Gossip = plain.Gossip },
		func(o *Sections) { o.Workload.List = 0 },
		func(o *Sections) { o.Workload.Delete = 0 },
		func(o *Sections) { o.Workload.CAS = 0 },
		func(o *Sections) { o.Workload.CASDelete = 0 },
		func(o *Sections) { o.Workload.Get = 0 },
		func(o *Sections) { o.Workload.Keys = 1 },
		func(o *Sections) { o.Workload.Hot = 0 },
		func(o *Sections) { o.Workload.Burst = 0 },
		func(o *Sections) { o.Workload.Core = 0 },
		func(o *Sections) { o.Workload.Value, o.Workload.ValueMax = 16, 16 },
	} {
		changes = append(changes, func(s *scenario.Scenario) { change(Of(s)) })
	}
	return changes
}
