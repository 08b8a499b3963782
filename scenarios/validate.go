package scenarios

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"kvs/chaos"
	"kvs/node"
)

// Bounds of a scenario. They keep a typing error from becoming a run that never ends; they are no limits of kvs.
const (
	ClientsMax  = 100
	KeysMax     = 100_000
	DurationMax = 24 * time.Hour // of each phase.
	WeightMax   = 1_000_000
)

// Validate says what is wrong with s, and what to do about it.
func (s *Scenario) Validate() error {
	if err := s.validate(); err != nil {
		return fmt.Errorf("scenario %q: %w", s.Name, err)
	}
	return nil
}

func (s *Scenario) validate() error {
	if err := checkName(s.Name); err != nil {
		return err
	}
	switch {
	case s.About != strings.Join(strings.Fields(s.About), " ") || strings.Contains(s.About, "#"):
		return fmt.Errorf("about: one line, without # and double spaces")
	case s.Nodes < 1 || s.Nodes > chaos.NodesMax:
		return fmt.Errorf("nodes %d: use 1 to %d", s.Nodes, chaos.NodesMax)
	case s.Clients < 1 || s.Clients > ClientsMax:
		return fmt.Errorf("clients %d: use 1 to %d", s.Clients, ClientsMax)
	case s.Duration <= 0 || s.Duration > DurationMax:
		return fmt.Errorf("duration %s: use more than 0s and at most %s", chaos.FormatDuration(s.Duration), chaos.FormatDuration(DurationMax))
	case s.Settle <= 0 || s.Settle > DurationMax:
		return fmt.Errorf("settle %s: use more than 0s and at most %s", chaos.FormatDuration(s.Settle), chaos.FormatDuration(DurationMax))
	}
	if err := s.checkCore(); err != nil {
		return err
	}
	if err := s.Workload.check(); err != nil {
		return fmt.Errorf("workload: %w", err)
	}
	if err := s.checkKept(); err != nil {
		return err
	}
	if err := s.checkWorld(); err != nil {
		return err
	}
	if err := s.checkExpect(); err != nil {
		return fmt.Errorf("expect: %w", err)
	}
	return s.checkPlan()
}

// checkCore wants to know who may vote: a core that holds a majority of yesterday's voters promises nothing.
func (s *Scenario) checkCore() error {
	if s.Core < 0 || s.Core > DurationMax {
		return fmt.Errorf("core %s: use 0s to %s", chaos.FormatDuration(s.Core), chaos.FormatDuration(DurationMax))
	}
	wipes := s.Random != nil && slices.Contains(s.Random.Kinds, chaos.Wipe) ||
		slices.ContainsFunc(s.Plan.Events, func(e chaos.Event) bool { return e.Fault.Kind == chaos.Wipe })
	if s.Core > 0 && (s.Voters.Operator > 0 || wipes) {
		return fmt.Errorf("core: leave it out where voters change: wipe and voters operator are among them")
	}
	return nil
}

// checkName allows what is a file name everywhere and needs no quoting in a shell.
func checkName(name string) error {
	for _, r := range name {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' {
			return fmt.Errorf("the name may have lower-case letters, digits and dashes only")
		}
	}
	if name == "" || name[0] == '-' || len(name) > 100 {
		return fmt.Errorf("the name has 1 to 100 characters and does not begin with a dash")
	}
	return nil
}

func (w *Workload) check() error {
	total := 0
	for _, weight := range []int{w.Get, w.Put, w.Delete, w.List, w.CAS, w.CASDelete} {
		if weight < 0 || weight > WeightMax {
			return fmt.Errorf("weight %d: use 0 to %d", weight, WeightMax)
		}
		total += weight
	}
	switch {
	case total == 0:
		return fmt.Errorf("no operation has a weight: give get, put, delete, list, cas or cas-delete one")
	case w.CAS+w.CASDelete > 0 && w.Level != node.Linearizable:
		return fmt.Errorf("cas=%d cas-delete=%d: a compare-and-set is linearizable; say level=linearizable", w.CAS, w.CASDelete)
	case w.Retry < 0 || w.Retry > chaos.PPMAll || w.Retry > 0 && w.Level != node.Linearizable:
		return fmt.Errorf("retry: use 0%% to 100%%, and level=linearizable")
	case w.Keys < 1 || w.Keys > KeysMax:
		return fmt.Errorf("keys=%d: use 1 to %d", w.Keys, KeysMax)
	case w.Hot < 0 || w.Hot > chaos.PPMAll:
		return fmt.Errorf("hot: use 0%% to 100%%")
	case w.Core < 0 || w.Core > chaos.PPMAll:
		return fmt.Errorf("core: use 0%% to 100%%")
	case w.Think < 0 || w.ThinkMax < w.Think || w.ThinkMax > DurationMax:
		return fmt.Errorf("think: write the smaller end first, nothing negative or beyond %s", chaos.FormatDuration(DurationMax))
	case w.Value < 1 || w.ValueMax < w.Value || w.ValueMax > node.ValueBytesDefault:
		return fmt.Errorf("value=%d..%d: use 1 to %d bytes, the smaller end first", w.Value, w.ValueMax, node.ValueBytesDefault)
	case w.Level < node.Eventual || w.Level > node.Linearizable:
		return fmt.Errorf("level: use eventual, quorum, linearizable or mixed")
	case w.Mixed && w.Level != node.Linearizable:
		return fmt.Errorf("level: that of a mixed workload is linearizable")
	case w.Attach >= attachEnd:
		return fmt.Errorf("attach: use one of %s", strings.Join(attachNames[:], ", "))
	case w.Timeout <= 0 || w.Timeout > DurationMax:
		return fmt.Errorf("timeout: use more than 0s and at most %s", chaos.FormatDuration(DurationMax))
	}
	return nil
}

func (s *Scenario) checkWorld() error {
	if s.Tuning.Rate < 1 {
		return fmt.Errorf("tuning: rate=%d: use 1 or more bytes a second", s.Tuning.Rate)
	}
	if v := s.Voters; v.First < 0 || v.Operator < 0 || v.Operator > chaos.DurationMax || v.Churn < 0 || v.Churn > chaos.PPMAll || v.Churn > 0 && v.Operator == 0 {
		return fmt.Errorf("voters: first=%d operator=%s churn=%s: nothing negative, and no churn without an operator", v.First, chaos.FormatDuration(v.Operator), chaos.FormatRatio(v.Churn))
	}
	if v := s.Voters; v.Depart < 0 || v.Depart > chaos.PPMAll || v.Depart > 0 && v.Operator == 0 {
		return fmt.Errorf("voters: depart=%s: nothing negative, and nobody departs without an operator", chaos.FormatRatio(v.Depart))
	}
	if s.Voters.Strong && s.Workload.Level != node.Linearizable {
		return fmt.Errorf("voters: strong=yes makes all writes linearizable; say level=linearizable")
	}
	if s.Tuning.Seeds < 1 || s.Tuning.Seeds > chaos.NodesMax {
		return fmt.Errorf("tuning: seeds=%d: use 1 to %d", s.Tuning.Seeds, chaos.NodesMax)
	}
	if s.Tuning.Clock < time.Millisecond || s.Tuning.Clock > chaos.DurationMax {
		return fmt.Errorf("tuning: max-clock-offset=%s: use 1ms to %s", chaos.FormatDuration(s.Tuning.Clock), chaos.FormatDuration(chaos.DurationMax))
	}
	if s.Tuning.Hints < time.Second || s.Tuning.Hints > chaos.DurationMax {
		return fmt.Errorf("tuning: hints=%s: use 1s to %s", chaos.FormatDuration(s.Tuning.Hints), chaos.FormatDuration(chaos.DurationMax))
	}
	if s.Tuning.Grace < 100*time.Millisecond || s.Tuning.Grace > chaos.DurationMax {
		return fmt.Errorf("tuning: grace=%s: use 100ms to %s", chaos.FormatDuration(s.Tuning.Grace), chaos.FormatDuration(chaos.DurationMax))
	}
	if s.Tuning.Sync < time.Second || s.Tuning.Sync > chaos.DurationMax {
		return fmt.Errorf("tuning: sync=%s: use 1s to %s", chaos.FormatDuration(s.Tuning.Sync), chaos.FormatDuration(chaos.DurationMax))
	}
	for _, r := range []struct {
		name   string
		lo, hi time.Duration
	}{
		{"network: delay", s.Network.Delay, s.Network.DelayMax},
		{"clocks: skew", s.Clocks.Skew, s.Clocks.SkewMax},
		{"disk: sync", s.Disk.Sync, s.Disk.SyncMax},
	} {
		if r.lo < 0 || r.hi < r.lo || r.hi > chaos.DurationMax {
			return fmt.Errorf("%s: write the smaller end first, nothing negative or beyond %s", r.name, chaos.FormatDuration(chaos.DurationMax))
		}
	}
	for _, ppm := range []int64{s.Network.Loss, s.Network.Duplicate, s.Network.Reorder, s.Network.Corrupt} {
		if ppm < 0 || ppm > chaos.PPMAll {
			return fmt.Errorf("network: a share is between 0%% and 100%%")
		}
	}
	if s.Clocks.Drift < 0 || s.Clocks.DriftMax < s.Clocks.Drift || s.Clocks.DriftMax > chaos.DriftPPMMax {
		return fmt.Errorf("clocks: drift: use 0ppm to %dppm, the smaller end first", chaos.DriftPPMMax)
	}
	return nil
}

func (s *Scenario) checkExpect() error {
	for i, p := range s.Expect {
		if p >= promiseEnd || i > 0 && p <= s.Expect[i-1] {
			return fmt.Errorf("name promises once and in the order of their constants")
		}
	}
	switch {
	case len(s.Expect) == 0:
		return fmt.Errorf("a scenario that expects nothing cannot fail: name at least one promise")
	case s.Expects(Linearizable) && s.Expects(NotLinearizable):
		return fmt.Errorf("linearizable and not-linearizable cannot both hold")
	}
	return nil
}

func (s *Scenario) checkPlan() error {
	if s.Random != nil {
		if len(s.Plan.Events) > 0 {
			return fmt.Errorf("plan: it is either random or a list of faults")
		}
		for i, k := range s.Random.Kinds {
			if i > 0 && k <= s.Random.Kinds[i-1] {
				return fmt.Errorf("plan: name kinds once and in the order of their constants")
			}
		}
		o := s.Random.genOptions(s.Nodes, s.Duration)
		if err := o.Check(); err != nil {
			return fmt.Errorf("plan: %w", err)
		}
		return nil
	}
	if err := chaos.Validate(s.Plan, s.Nodes); err != nil {
		return fmt.Errorf("plan: %w", err)
	}
	if n := len(s.Plan.Events); n > 0 && s.Plan.Events[n-1].At > s.Duration {
		return fmt.Errorf("plan: `%s` comes after the %s that the faults may last; make the duration longer",
			s.Plan.Events[n-1], chaos.FormatDuration(s.Duration))
	}
	return nil
}
