package document

import (
	"encoding/json"
	"io"

	"kvs/linearize"
	"kvs/sim"
)

// Print prints one document.
func Print(w io.Writer, document any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(document)
}

// Violation is a broken promise as run prints it.
type Violation struct {
	Promise   string  `json:"promise"`
	Meaning   string  `json:"meaning,omitempty"` // what is wrong when it is broken, in one sentence.
	Node      int     `json:"node,omitempty"`
	Path      string  `json:"path,omitempty"`
	AtSeconds float64 `json:"at_seconds"`
	Detail    string  `json:"detail"`
}

// Run is a run as run prints it.
type Run struct {
	Seed             uint64         `json:"seed"`
	Scenario         string         `json:"scenario"`
	Verdict          string         `json:"verdict"`
	Violations       []Violation    `json:"violations"`
	Operations       int            `json:"operations"`
	OK               uint64         `json:"ok"`
	Failed           uint64         `json:"failed"`
	Unknown          uint64         `json:"unknown"`
	SimulatedSeconds float64        `json:"simulated_seconds"`
	SettledSeconds   *float64       `json:"settled_seconds"` // null: it did not settle.
	Events           uint64         `json:"events"`
	Messages         uint64         `json:"messages"`
	Lost             uint64         `json:"lost"`
	Faults           int            `json:"faults"`
	Counts           map[string]int `json:"counts"`
	Trace            string         `json:"trace"`
	Stack            string         `json:"stack,omitempty"`
	Replay           string         `json:"replay"`
	Kept             string         `json:"kept,omitempty"`
	Report           string         `json:"report,omitempty"`
	Drawn            string         `json:"drawn"` // the scenario as the seed drew it.
}

// NewRun describes a run of a system. The fields from Replay on are the caller's.
func NewRun(s sim.System, res *sim.Result) *Run {
	out := &Run{
		Seed: res.Seed, Scenario: res.Scenario, Verdict: res.Verdict(), Violations: []Violation{},
		Operations: res.Operations, OK: res.OK, Failed: res.Failed, Unknown: res.Unknown,
		SimulatedSeconds: res.Simulated.Seconds(), Events: res.Events, Messages: res.Messages, Lost: res.Lost,
		Faults: res.Faults, Counts: map[string]int{}, Trace: res.Trace, Stack: res.Stack,
	}
	if res.Settled {
		seconds := res.SettledIn.Seconds()
		out.SettledSeconds = &seconds
	}
	for _, c := range res.Counts {
		out.Counts[c.Name] = c.N
	}
	for _, v := range res.Violations {
		out.Violations = append(out.Violations, Violation{v.Promise, Meaning(s, v.Promise),
			v.Node, v.Path, v.At.Seconds(), v.Detail})
	}
	return out
}

// Check is a verdict as check prints it.
type Check struct {
	Verdict       string   `json:"verdict"`
	Judged        string   `json:"judged"` // the promise.
	Holds         bool     `json:"holds"`
	Problem       string   `json:"problem,omitempty"` // why the history as a whole cannot be judged.
	Operations    int      `json:"operations"`
	OK            int      `json:"ok"`
	Fail          int      `json:"fail"`
	Info          int      `json:"info"`
	Keys          []Key    `json:"keys"`
	Contradicting []string `json:"contradicting_versions,omitempty"`
}

// Key is the verdict on one key.
type Key struct {
	Key        string `json:"key"`
	Verdict    string `json:"verdict"`
	Rule       string `json:"rule,omitempty"`
	Why        string `json:"why,omitempty"`
	Lines      []int  `json:"lines,omitempty"` // of the history file, with the operations to look at.
	Operations int    `json:"operations"`
	OK         int    `json:"ok"`
	Fail       int    `json:"fail"`
	Info       int    `json:"info"`
	Searched   int    `json:"searched"`
	Unique     bool   `json:"unique_values"`
}

// firstLine is the line of the first operation in a history file.
const firstLine = 2

// NewCheck describes the verdict on a history; met: it is what was wanted.
func NewCheck(
	res *linearize.Result, tags []linearize.Evidence, want linearize.Expectation, met bool,
) *Check {
	out := &Check{Verdict: res.Verdict.String(), Judged: want.String(), Holds: met, Problem: res.Problem,
		Operations: res.Counts.Total, OK: res.Counts.OK, Fail: res.Counts.Fail, Info: res.Counts.Info, Keys: []Key{}}
	for i := range res.Keys {
		k := &res.Keys[i]
		key := Key{Key: k.Path, Verdict: k.Verdict.String(), Rule: string(k.Evidence.Rule), Why: k.Evidence.Text,
			Operations: k.Counts.Total, OK: k.Counts.OK, Fail: k.Counts.Fail, Info: k.Counts.Info, Searched: k.Searched,
			Unique: k.Unique}
		for _, op := range k.Evidence.Ops {
			key.Lines = append(key.Lines, op+firstLine)
		}
		out.Keys = append(out.Keys, key)
	}
	for _, ev := range tags {
		out.Contradicting = append(out.Contradicting, ev.Text)
	}
	return out
}

// Mutant is the hunt for a mutant as mutants prints it.
type Mutant struct {
	Name       string  `json:"name"`
	About      string  `json:"about"`
	Source     string  `json:"source"`
	Caught     string  `json:"caught_by,omitempty"` // the promises that broke, with commas between.
	Scenario   string  `json:"scenario,omitempty"`
	Seed       uint64  `json:"seed,omitempty"`
	Runs       int     `json:"runs"`
	CPUSeconds float64 `json:"cpu_seconds"`
	Survives   string  `json:"survives,omitempty"` // why nothing can find it, as its file says.
	Error      string  `json:"error,omitempty"`
	Wrong      bool    `json:"wrong"` // it did not end as it should.
	Replay     string  `json:"replay,omitempty"`
	Small      string  `json:"after_shrinking,omitempty"`
}

// Hunt is a whole hunt.
type Hunt struct {
	Mutants    []Mutant `json:"mutants"`
	Caught     int      `json:"caught"`
	Survived   int      `json:"survived"`
	Wrong      int      `json:"wrong"`
	CPUSeconds float64  `json:"cpu_seconds"`
}

// Soak is a soak as soak prints it.
type Soak struct {
	First            uint64       `json:"first"`
	Last             uint64       `json:"last"`
	Scenario         string       `json:"scenario"`
	Verdict          string       `json:"verdict"`
	Seeds            uint64       `json:"seeds"` // that were run.
	Broken           int          `json:"broken"`
	Operations       int          `json:"operations"`
	Events           uint64       `json:"events"`
	Faults           int          `json:"faults"`
	SimulatedSeconds float64      `json:"simulated_seconds"`
	WallSeconds      float64      `json:"wall_seconds"`
	Failures         []BrokenSeed `json:"failures"`
}

// BrokenSeed is one seed that broke a promise.
type BrokenSeed struct {
	Seed    uint64 `json:"seed"`
	Verdict string `json:"verdict"` // the promises that broke, with commas between.
	Line    string `json:"line"`    // as run prints it.
	Replay  string `json:"replay"`
}

// Explore is a search as prints it.
type Explore struct {
	Scope       string  `json:"scope"`
	Verdict     string  `json:"verdict"`
	Complete    bool    `json:"complete"` // the states are all that there are.
	States      uint64  `json:"states"`
	Ends        uint64  `json:"ends"`
	Depth       int     `json:"depth"`
	Executions  uint64  `json:"executions"`
	Steps       uint64  `json:"steps"`
	WallSeconds float64 `json:"wall_seconds"`
	Violation   string  `json:"violation,omitempty"`
	Schedule    string  `json:"schedule,omitempty"`
	Replay      string  `json:"replay,omitempty"`
}

// Scenario is a scenario as scenarios prints it.
type Scenario struct {
	Name  string `json:"name"`
	About string `json:"about"`
}
