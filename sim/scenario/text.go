package scenario

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"kvs/chaos"
)

// A scenario file, line by line: a word, then what it sets. "#" begins a comment, empty lines are skipped, the order is
// free but for two rules: `scenario NAME` comes first, and everything after `plan` is the plan, one fault a line.
// Settings that a file leaves out are those of Default. Unknown words and options are refused: a typing error must not
// weaken an experiment.
//
//	scenario split-brain
//	about    two halves write on their own, then heal
//	nodes    5
//	clients  10
//	duration 20s
//	settle   1m
//	workload keys=20 get=50 put=40
//	network  delay=1ms..10ms loss=0% duplicate=0% reorder=0% corrupt=0%
//	clocks   skew=0s..500ms drift=0ppm..100ppm
//	disk     sync=1ms..5ms walk=no busy=no
//	expect   converged, finished
//	plan
//	  at 2s partition n1,n2 | n3,n4,n5
//	  at 9s heal
//
// The keys of `workload` and the promises of `expect` are the system's, and lines of its own stand between `disk` and
// `expect`: see Sections.
//
// A line `core 2m` puts a phase before the last one: faults end for a random majority of the nodes only, the others
// stay crashed, cut off, mute or deaf, and within that time the majority must agree, serve, and let every path be read
// and written.
//
// Three more lines: `seed N`, the seed to use unless another is given; `swarm` (see Draw); and `keep c1:3,7..9 c4:1`,
// the only operations that clients do of those that the workload draws (see Kept). Instead of a list of faults, `plan
// random kinds=crash,partition every=2s length=500ms..5s majority=keep` makes Draw draw one.

// setting is one line that may occur once in a file.
type setting struct {
	word  string
	print func() string // "" leaves the line out.
	parse func(string) error
}

func (s *Scenario) settings() []setting {
	count := func(word string, p *int) setting {
		o := Int(word, p)
		return setting{word, o.Print, o.Parse}
	}
	length := func(word string, p *time.Duration) setting {
		o := Duration(word, p)
		return setting{word, o.Print, o.Parse}
	}
	group := func(word string, list []Option) setting {
		return setting{word, func() string { return formatOptions(list) },
			func(v string) error { return parseOptions(list, v) }}
	}
	list := []setting{
		{"scenario", func() string { return s.Name }, func(v string) error { s.Name = v; return nil }},
		{"about", func() string { return s.About }, func(v string) error { s.About = v; return nil }},
		{"seed", func() string { return formatSeed(s.Seed) },
			func(v string) (err error) { s.Seed, err = parseSeed(v); return err }},
		count("nodes", &s.Nodes),
		count("clients", &s.Clients),
		length("duration", &s.Duration),
		{"core", func() string {
			if s.Core == 0 {
				return ""
			}
			return chaos.FormatDuration(s.Core)
		}, Duration("core", &s.Core).Parse},
		length("settle", &s.Settle),
	}
	if keys := s.Own.WorkloadKeys(); len(keys) > 0 {
		list = append(list, group("workload", keys))
	}
	list = append(list,
		setting{"keep", func() string { return formatKept(s.Keep) },
			func(v string) (err error) { s.Keep, err = parseKept(v); return err }},
		group("network", linkOptions(&s.Network)),
		group("clocks", s.Clocks.options()),
		group("disk", s.Disk.options()),
	)
	for _, line := range s.Own.Lines() {
		list = append(list, group(line.Word, line.Options))
	}
	return append(list, setting{"expect", func() string { return formatPromises(s.Expect) },
		func(v string) (err error) {
			s.Expect, err = parsePromises(v, s.Own.Promises())
			return err
		}})
}

func formatSeed(seed uint64) string {
	if seed == 0 {
		return ""
	}
	return strconv.FormatUint(seed, 10)
}

func parseSeed(s string) (uint64, error) {
	seed, err := strconv.ParseUint(s, 10, 64)
	if err != nil || seed == 0 {
		return 0, fmt.Errorf("%q is no seed: write a whole number above zero", s)
	}
	return seed, nil
}

// String prints s as Parse reads it, with all settings: a scenario kept for later must not change with the defaults.
func (s Scenario) String() string {
	var b strings.Builder
	for _, set := range s.settings() {
		if v := set.print(); v != "" {
			fmt.Fprintf(&b, "%-*s %s\n", len("workload"), set.word, v)
		}
		if set.word == "about" && s.Swarm {
			b.WriteString("swarm\n")
		}
	}
	switch {
	case s.Random != nil:
		fmt.Fprintf(&b, "plan random %s\n", formatOptions(s.Random.options()))
	case len(s.Plan.Events) > 0:
		b.WriteString("plan\n")
		for _, e := range s.Plan.Events {
			fmt.Fprintf(&b, "  %s\n", e)
		}
	}
	return b.String()
}

// Parse reads a scenario and validates it. The sections are those of its system by default, and become part of it.
// Errors name the line, if there is one.
func Parse(text string, own Sections) (Scenario, error) {
	s := Default(own)
	p := parser{s: &s, settings: s.settings()}
	p.given = make([]bool, len(p.settings))
	number := 0
	for line := range strings.SplitSeq(text, "\n") {
		number++
		line, _, _ = strings.Cut(line, "#")
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		if err := p.line(line); err != nil {
			return Scenario{}, fmt.Errorf("line %d: %w", number, err)
		}
	}
	s.Plan = chaos.NewPlan(p.events)
	if err := s.Validate(); err != nil {
		return Scenario{}, err
	}
	return s, nil
}

type parser struct {
	s        *Scenario
	settings []setting
	given    []bool
	named    bool // the first line has been read.
	planning bool // `plan` has been read: faults follow.
	events   []chaos.Event
}

func (p *parser) line(line string) error {
	word, rest := line, ""
	if i := strings.IndexAny(line, " \t"); i >= 0 {
		word, rest = line[:i], strings.TrimSpace(line[i:])
	}
	switch {
	case !p.named && word != "scenario":
		return fmt.Errorf("%q: a file begins with `scenario NAME`", line)
	case p.planning:
		return p.event(line)
	case word == "plan":
		return p.plan(rest)
	case word == "swarm":
		if rest != "" || p.s.Swarm {
			return fmt.Errorf("%q: swarm stands once and alone on its line", line)
		}
		p.s.Swarm = true
		return nil
	}
	p.named = true
	for i, set := range p.settings {
		if set.word != word {
			continue
		}
		switch {
		case p.given[i]:
			return fmt.Errorf("%s is given twice: take one out", word)
		case rest == "":
			return fmt.Errorf("%s: say what, or take the line out", word)
		}
		p.given[i] = true
		if err := set.parse(rest); err != nil {
			return fmt.Errorf("%s: %w", word, err)
		}
		return nil
	}
	return fmt.Errorf("unknown word %q: use %s, swarm or plan", word, p.words())
}

func (p *parser) words() string {
	words := make([]string, len(p.settings))
	for i, set := range p.settings {
		words[i] = set.word
	}
	return strings.Join(words, ", ")
}

func (p *parser) plan(rest string) error {
	p.planning = true
	if rest == "" {
		return nil
	}
	word, options, _ := strings.Cut(rest, " ")
	if word != "random" {
		return fmt.Errorf("plan %s: write faults on the lines below, or `plan random`", rest)
	}
	p.s.Random = DefaultRandom()
	return parseOptions(p.s.Random.options(), options)
}

func (p *parser) event(line string) error {
	if p.s.Random != nil {
		return fmt.Errorf("%q: nothing follows `plan random`; other settings go above it", line)
	}
	e, err := chaos.ParseEvent(line)
	if err != nil {
		return err
	}
	p.events = append(p.events, e)
	return nil
}
