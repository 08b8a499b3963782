package raft

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"kvs/chaos"
	"kvs/sim"
	"kvs/sim/mutants"
	"kvs/sim/scenario"
	"kvs/sim/simtest"
)

// TestSwarm: the library keeps all its promises, in every experiment that a seed draws.
func TestSwarm(t *testing.T) { simtest.Run(t, Tools(), simtest.Seeds(1, 60), simtest.Options{}) }

// TestScenarios: so it does in the other scenarios that are not known to break one.
func TestScenarios(t *testing.T) {
	for _, name := range Scenarios().Names() {
		if name != "swarm" {
			t.Run(name, func(t *testing.T) {
				simtest.Run(t, Tools(), simtest.Seeds(1, 10),
					simtest.Options{Scenario: name})
			})
		}
	}
}

// TestSameSeedSameRun: the trace hash of a run depends on nothing but its seed and its scenario; not on the library's
// own randomness either.
func TestSameSeedSameRun(t *testing.T) {
	s, err := Scenarios().Load("swarm")
	if err != nil {
		t.Fatal(err)
	}
	traces := make(map[string]bool)
	for seed := range uint64(10) {
		d := sim.Draw(seed+1, s)
		var first string
		for range 3 {
			res, err := sim.Run(sim.Options{System: System{}, Seed: seed + 1, Scenario: &d})
			switch {
			case err != nil:
				t.Fatal(err)
			case first == "":
				first = res.Trace
				traces[first] = true
			case res.Trace != first:
				t.Fatalf("seed %d: the trace is %s, and was %s", seed+1, res.Trace, first)
			}
		}
	}
	if len(traces) != 10 {
		t.Errorf("10 seeds have %d traces", len(traces))
	}
}

// TestKnown: what README.md says that the library does wrong is still found, by the seed in each file.
func TestKnown(t *testing.T) {
	files, err := filepath.Glob("known/*.scenario")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{
		"early-votes": ElectionSafety.String(), "early-snapshots": sim.PromisePanic,
		"two-voters":   scenario.Finished.String(),
		"single-voter": scenario.Linearizable.String(), "lease-reads": scenario.Linearizable.String(),
	}
	for _, file := range files {
		s, err := Scenarios().LoadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		d := sim.Draw(s.Seed, s)
		res, err := sim.Run(sim.Options{System: System{}, Seed: s.Seed, Scenario: &d})
		if err != nil {
			t.Fatal(err)
		}
		if want := found[s.Name]; want == "" || !strings.Contains(res.Verdict(), want) {
			t.Errorf("%s: the verdict is %s, want %s", file, res.Verdict(), want)
		}
		delete(found, s.Name)
	}
	if len(found) > 0 {
		t.Errorf("scenarios are missing: %v", found)
	}
}

// TestMutantsFit: every mutant's text stands in the library, once.
func TestMutantsFit(t *testing.T) {
	all, err := mutants.Load(Mutants())
	if err != nil {
		t.Fatal(err)
	}
	source := libraryDir(t)
	for i := range all {
		if _, err := all[i].Apply(func(name string) (string, error) {
			b, err := os.ReadFile(filepath.Join(source, filepath.FromSlash(name)))
			return string(b), err
		}); err != nil {
			t.Error(err)
		}
		for _, name := range all[i].Hunt {
			if !slices.Contains(Scenarios().Names(), name) {
				t.Errorf("mutant %s: there is no scenario %q", all[i].Name, name)
			}
		}
	}
	if len(all) < 20 {
		t.Errorf("there are %d mutants", len(all))
	}
}

// libraryDir is where the source of the library is, in the version that go.mod names.
func libraryDir(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", Library).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// TestSectionsRefuse: what Raft promises nothing for is refused, and so is what cannot be.
func TestSectionsRefuse(t *testing.T) {
	for _, c := range []struct {
		says string
		edit func(s *scenario.Scenario, o *Sections)
	}{
		{"acknowledged", func(s *scenario.Scenario, _ *Sections) { s.Random.Kinds = []chaos.Kind{chaos.Wipe} }},
		{"voters=9", func(_ *scenario.Scenario, o *Sections) { o.Tuning.Voters = 9 }},
		{"without an operator", func(_ *scenario.Scenario, o *Sections) { o.Operator.Every, o.Tuning.Voters = 0, 3 }},
		{"check-quorum", func(_ *scenario.Scenario, o *Sections) {
			o.Tuning.LeaseReads, o.Tuning.CheckQuorum = true,
				false
		}},
		{"election must take more", func(_ *scenario.Scenario, o *Sections) { o.Tuning.ElectionTicks = 2 }},
		{"snapshot must come", func(_ *scenario.Scenario, o *Sections) { o.Tuning.KeepEntries = 100 }},
		{"one try or more", func(_ *scenario.Scenario, o *Sections) { o.Workload.Tries = 0 }},
		{"timeout of 10ms", func(_ *scenario.Scenario, o *Sections) { o.Workload.Timeout = 1 }},
	} {
		s, err := Scenarios().Load("swarm")
		if err != nil {
			t.Fatal(err)
		}
		c.edit(&s, SectionsOf(&s))
		if err := s.Validate(); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("it says %v, want something about %q", err, c.says)
		}
	}
}
