package scenario

import (
	"fmt"
	"strings"
	"time"

	"kvs/chaos"
)

// Bounds of a scenario. They keep a typing error from making a run that never ends; they are no limits of a system.
const (
	ClientsMax  = 100
	DurationMax = 24 * time.Hour // of each phase.
)

// Validate returns what is wrong with s, and what to do about it.
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
	case s.Own == nil:
		return fmt.Errorf("it has no sections of a system: begin with Default")
	case s.About != strings.Join(strings.Fields(s.About), " ") || strings.Contains(s.About, "#"):
		return fmt.Errorf("about: one line, without # and double spaces")
	case s.Nodes < 1 || s.Nodes > chaos.NodesMax:
		return fmt.Errorf("nodes %d: use 1 to %d", s.Nodes, chaos.NodesMax)
	case s.Clients < 1 || s.Clients > ClientsMax:
		return fmt.Errorf("clients %d: use 1 to %d", s.Clients, ClientsMax)
	case s.Duration <= 0 || s.Duration > DurationMax:
		return fmt.Errorf("duration %s: use more than 0s and at most %s", chaos.FormatDuration(s.Duration),
			chaos.FormatDuration(DurationMax))
	case s.Settle <= 0 || s.Settle > DurationMax:
		return fmt.Errorf("settle %s: use more than 0s and at most %s", chaos.FormatDuration(s.Settle),
			chaos.FormatDuration(DurationMax))
	}
	if s.Core < 0 || s.Core > DurationMax {
		return fmt.Errorf("core %s: use 0s to %s", chaos.FormatDuration(s.Core), chaos.FormatDuration(DurationMax))
	}
	if err := s.Own.Check(s); err != nil {
		return err
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

// checkName allows names that are valid file names everywhere and need no quoting in a shell.
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

func (s *Scenario) checkWorld() error {
	for _, r := range []struct {
		name   string
		lo, hi time.Duration
	}{
		{"network: delay", s.Network.Delay, s.Network.DelayMax},
		{"clocks: skew", s.Clocks.Skew, s.Clocks.SkewMax},
		{"disk: sync", s.Disk.Sync, s.Disk.SyncMax},
	} {
		if r.lo < 0 || r.hi < r.lo || r.hi > chaos.DurationMax {
			return fmt.Errorf("%s: write the smaller end first, nothing negative or beyond %s", r.name,
				chaos.FormatDuration(chaos.DurationMax))
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
