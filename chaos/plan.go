package chaos

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Event is a fault and its time, from the start of the run.
type Event struct {
	At time.Duration
	Fault
}

// String prints e as ParseEvent reads it: "at 2s crash n1".
func (e Event) String() string { return "at " + FormatDuration(e.At) + " " + e.Fault.String() }

// ParseEvent reads one line of a plan, without comments.
func ParseEvent(s string) (Event, error) {
	fields := strings.Fields(s)
	if len(fields) < 3 || fields[0] != "at" {
		return Event{}, fmt.Errorf("%q: a line of a plan reads like `at 2s crash n1`", strings.TrimSpace(s))
	}
	at, err := ParseDuration(fields[1])
	if err != nil {
		return Event{}, err
	}
	if at < 0 {
		return Event{}, fmt.Errorf("at %s: before the beginning; times count from 0s", fields[1])
	}
	f, err := ParseFault(strings.Join(fields[2:], " "))
	if err != nil {
		return Event{}, err
	}
	return Event{At: at, Fault: f}, nil
}

// Plan is a list of events in the order in which they happen. Events of one moment happen in the order of the list.
type Plan struct{ Events []Event }

// NewPlan returns the plan of these events, sorted by time; it keeps the slice.
func NewPlan(events []Event) Plan {
	slices.SortStableFunc(events, func(a, b Event) int {
		switch {
		case a.At < b.At:
			return -1
		case a.At > b.At:
			return 1
		}
		return 0
	})
	return Plan{Events: events}
}

// String prints p as ParsePlan reads it, one event a line.
func (p Plan) String() string {
	var b strings.Builder
	for _, e := range p.Events {
		b.WriteString(e.String())
		b.WriteByte('\n')
	}
	return b.String()
}

// ParsePlan reads a plan: one event a line, "#" begins a comment, empty lines are skipped. Lines may be in any order;
// the plan is sorted by time. Errors name the line.
func ParsePlan(text string) (Plan, error) {
	var events []Event
	number := 0
	for line := range strings.SplitSeq(text, "\n") {
		number++
		line, _, _ = strings.Cut(line, "#")
		if strings.TrimSpace(line) == "" {
			continue
		}
		e, err := ParseEvent(line)
		if err != nil {
			return Plan{}, fmt.Errorf("line %d: %w", number, err)
		}
		events = append(events, e)
	}
	return NewPlan(events), nil
}

// Kinds returns the kinds that occur in p, each once, in the order of the constants.
func (p Plan) Kinds() []Kind {
	var seen [kindEnd]bool
	for _, e := range p.Events {
		seen[e.Kind] = true
	}
	var out []Kind
	for k := Kind(0); k < kindEnd; k++ {
		if seen[k] {
			out = append(out, k)
		}
	}
	return out
}
