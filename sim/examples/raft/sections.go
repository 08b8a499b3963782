package raft

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"kvs/chaos"
	"kvs/sim/scenario"
)

// Sections are this system's part of scenarios: the workload, the configuration of the library, and the operator that
// changes the configuration of the cluster.
type Sections struct {
	Workload Workload
	Tuning   Tuning
	Operator OperatorSection
}

// Workload is the workload of the clients.
type Workload struct {
	Keys            int // how many registers there are.
	Get, Put, CAS   int // weights of the operations.
	Think, ThinkMax time.Duration
	Timeout         time.Duration // after which a client gives up on an attempt.
	Tries           int           // attempts of one operation, each at another node, under the same number.
}

// OperatorSection is how often the operator changes the configuration, and how.
type OperatorSection struct {
	Every    time.Duration // zero: never.
	Joint    int64         // share of the changes that go through joint consensus, with up to three nodes at once.
	Transfer int64         // share of the visits at which leadership is handed over instead.
	Leave    int64         // share of the visits to a node in a joint configuration that leave it.
	Least    int           // voters that every configuration keeps.
}

// The promises of this system beside those of the framework: Raft's own (Ongaro and Ousterhout 2014, figure 3).
const (
	ElectionSafety     scenario.Promise = "election-safety"
	LeaderAppendOnly   scenario.Promise = "leader-append-only"
	LogMatching        scenario.Promise = "log-matching"
	LeaderCompleteness scenario.Promise = "leader-completeness"
	StateMachineSafety scenario.Promise = "state-machine-safety"
)

// NewSections returns the default sections.
func NewSections() scenario.Sections {
	return &Sections{
		Workload: Workload{Keys: 4, Get: 40, Put: 40, CAS: 20, Think: time.Millisecond,
			ThinkMax: 50 * time.Millisecond, Timeout: time.Second, Tries: 3},
		Tuning:   DefaultTuning(),
		Operator: OperatorSection{Joint: 300_000, Transfer: 200_000, Leave: 200_000, Least: votersMin},
	}
}

// SectionsOf returns the sections of a scenario of this system.
func SectionsOf(s *scenario.Scenario) *Sections {
	own, ok := s.Own.(*Sections)
	if !ok {
		panic(fmt.Sprintf("raft: scenario %q is one of another system: its sections are a %T", s.Name, s.Own))
	}
	return own
}

// Clone implements scenario.Sections.
func (o *Sections) Clone() scenario.Sections {
	c := *o
	return &c
}

// WorkloadKeys implements scenario.Sections.
func (o *Sections) WorkloadKeys() []scenario.Option {
	w := &o.Workload
	return []scenario.Option{
		scenario.Int("keys", &w.Keys), scenario.Int("get", &w.Get), scenario.Int("put", &w.Put), scenario.Int("cas",
			&w.CAS),
		scenario.DurationRange("think", &w.Think, &w.ThinkMax), scenario.Duration("timeout", &w.Timeout),
		scenario.Int("tries", &w.Tries),
	}
}

// Lines implements scenario.Sections.
func (o *Sections) Lines() []scenario.Line {
	t, p := &o.Tuning, &o.Operator
	return []scenario.Line{
		{Word: "raft", Options: []scenario.Option{
			scenario.Int("voters", &t.Voters), choice("storage", &t.Async, "sync", "async"), choice("votes",
				&t.EarlyVotes, "durable", "early"), choice("snapshots", &t.EarlySnapshots, "held", "early"),
			choice("reads", &t.LeaseReads, "safe", "lease"), scenario.Bool("pre-vote", &t.PreVote),
			scenario.Bool("check-quorum", &t.CheckQuorum),
			scenario.Duration("tick", &t.Tick), scenario.Int("heartbeat", &t.HeartbeatTicks), scenario.Int("election",
				&t.ElectionTicks),
			scenario.Int("snapshot", &t.SnapshotEvery), scenario.Int("keep", &t.KeepEntries), scenario.Int("message",
				&t.EntriesBytes),
		}},
		{Word: "operator", Options: []scenario.Option{
			scenario.Duration("every", &p.Every), scenario.Ratio("joint", &p.Joint),
			scenario.Ratio("transfer", &p.Transfer), scenario.Ratio("leave", &p.Leave), scenario.Int("least", &p.Least),
		}},
	}
}

// choice is a word of two.
func choice(key string, p *bool, no, yes string) scenario.Option {
	return scenario.Option{Key: key, Print: func() string {
		if *p {
			return yes
		}
		return no
	}, Parse: func(v string) error {
		if v != yes && v != no {
			return fmt.Errorf("%q: use %s or %s", v, no, yes)
		}
		*p = v == yes
		return nil
	}}
}

// Promises implements scenario.Sections.
func (o *Sections) Promises() []scenario.Promise {
	return []scenario.Promise{scenario.Finished, scenario.Linearizable, scenario.NotLinearizable,
		ElectionSafety, LeaderAppendOnly, LogMatching, LeaderCompleteness, StateMachineSafety}
}

// Check implements scenario.Sections.
func (o *Sections) Check(s *scenario.Scenario) error {
	w, p := &o.Workload, &o.Operator
	if err := o.Tuning.validate(); err != nil {
		return err
	}
	switch {
	case w.Keys < 1 || w.Get+w.Put+w.CAS < 1 || w.Think > w.ThinkMax || w.Tries < 1:
		return errors.New(
			"workload: use one key and one try or more, some operation, and the smaller end of think first")
	case w.Timeout < 10*time.Millisecond || w.ThinkMax > chaos.DurationMax || w.Timeout > chaos.DurationMax:
		return fmt.Errorf("workload: use a timeout of 10ms or more, and no time beyond %s",
			chaos.FormatDuration(chaos.DurationMax))
	case o.Tuning.Voters > s.Nodes:
		return fmt.Errorf("raft: voters=%d: there are %d nodes", o.Tuning.Voters, s.Nodes)
	case p.Every == 0 && o.Tuning.Voters < s.Nodes:
		return fmt.Errorf("raft: voters=%d: without an operator the other nodes never become voters",
			o.Tuning.Voters)
	case p.Least < 1 || p.Every > 0 && p.Least > o.Tuning.Voters:
		return fmt.Errorf("operator: least=%d: keep at least one voter, and no more than there are at first", p.Least)
	case p.Every < 0 || p.Every > chaos.DurationMax || min(p.Joint, p.Transfer, p.Leave) < 0 || max(p.Joint,
		p.Transfer, p.Leave) > chaos.PPMAll:
		return errors.New("operator: nothing negative, and no share above 100%")
	}
	return checkFaults(s)
}

// checkFaults refuses faults that Raft does not tolerate: a disk that has lost acknowledged writes, or is damaged.
func checkFaults(s *scenario.Scenario) error {
	refused := func(k chaos.Kind) bool {
		return k == chaos.Wipe || k == chaos.LoseTail || k == chaos.SwapDisks || k == chaos.Rot ||
			k == chaos.DiskReadError || k == chaos.CopyDisk || k == chaos.PutBack
	}
	if s.Random != nil {
		for _, k := range s.Random.Kinds {
			if refused(k) {
				return fmt.Errorf("plan: %s: a Raft node cannot do without what its disk has acknowledged", k)
			}
		}
	}
	for _, e := range s.Plan.Events {
		if refused(e.Fault.Kind) {
			return fmt.Errorf("plan: %s: a Raft node cannot do without what its disk has acknowledged", e.Fault.Kind)
		}
	}
	return nil
}

// Draw implements scenario.Sections. Of the workload, keys and pauses are upper bounds. Asynchronous storage, pre-vote
// and check-quorum are on half of the time where the scenario has them on, snapshots are at least as frequent as in the
// scenario, and half of the time there is an operator. Two voters are the least: with one, ReadIndex is known to be
// wrong. See README.md.
func (o *Sections) Draw(rng *rand.Rand, s *scenario.Scenario, m scenario.Moment) {
	switch m {
	case scenario.AfterClients:
		s.Nodes = max(s.Nodes, min(2, o.Tuning.Voters))
		o.Workload.Keys = 1 + rng.IntN(o.Workload.Keys)
		o.Workload.Think, o.Workload.ThinkMax = scenario.DrawRange(rng, o.Workload.Think, o.Workload.ThinkMax, 50)
	case scenario.AfterWorld:
		t := &o.Tuning
		for _, on := range []*bool{&t.Async, &t.PreVote} {
			*on = *on && rng.IntN(2) == 0
		}
		if !t.LeaseReads {
			t.CheckQuorum = t.CheckQuorum && rng.IntN(2) == 0
		}
		t.SnapshotEvery = int(chaos.DrawLog(rng, min(5, int64(t.SnapshotEvery)), int64(t.SnapshotEvery)))
		t.KeepEntries = rng.IntN(min(t.KeepEntries, t.SnapshotEvery-1) + 1)
		t.EntriesBytes = int(chaos.DrawLog(rng, 1, int64(t.EntriesBytes)))
		t.Voters = min(max(votersMin, 1+rng.IntN(t.Voters)), s.Nodes)
		if s.Nodes < votersMin || rng.IntN(2) == 0 {
			o.Operator.Every = 0
		}
		if o.Operator.Every == 0 {
			t.Voters = s.Nodes
		} else if !t.PreVote {
			t.CheckQuorum = true // one of the two is needed where members change. See README.md.
		}
	}
}

// Fit implements scenario.Sections.
func (o *Sections) Fit(s *scenario.Scenario) {
	o.Tuning.Voters = min(o.Tuning.Voters, s.Nodes)
	o.Operator.Least = min(o.Operator.Least, o.Tuning.Voters)
}

// Simpler implements scenario.Sections.
func (o *Sections) Simpler() (changes []func(s *scenario.Scenario)) {
	for _, change := range []func(o *Sections, nodes int){
		func(o *Sections, nodes int) { o.Operator.Every, o.Tuning.Voters = 0, nodes },
		func(o *Sections, _ int) { o.Operator.Joint = 0 },
		func(o *Sections, _ int) { o.Operator.Transfer = 0 },
		func(o *Sections, _ int) { o.Tuning.Async = false },
		func(o *Sections, _ int) { o.Tuning.PreVote = false },
		func(o *Sections, _ int) { o.Tuning.SnapshotEvery, o.Tuning.KeepEntries = 10_000, 0 },
		func(o *Sections, _ int) { o.Workload.CAS = 0 },
		func(o *Sections, _ int) { o.Workload.Get = 0 },
		func(o *Sections, _ int) { o.Workload.Keys = 1 },
		func(o *Sections, _ int) { o.Workload.Tries = 1 },
	} {
		changes = append(changes, func(s *scenario.Scenario) { change(SectionsOf(s), s.Nodes) })
	}
	return changes
}
