package raft

import (
	"strings"
	"testing"

	"kvs/sim/explore"
)

// explored searches a scope, or as many executions of it as it takes to find what is wrong.
func explored(t *testing.T, s *explore.Scope, o explore.Options) *explore.Result {
	t.Helper()
	res, err := explore.Search(defaultSpace(), s, o)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func defaultSpace() *explore.Space {
	sp := space()
	sp.Scenario = Scenarios().Default()
	return sp
}

func scope(t *testing.T, name string) explore.Scope {
	t.Helper()
	s, err := space().Find(name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Every order of the messages of a write, and of a write and a read at once: the register is linearizable.
func TestEveryOrderIsExplored(t *testing.T) {
	for _, name := range []string{"one-write", "write-beside-read"} {
		s := scope(t, name)
		res := explored(t, &s, explore.Options{})
		if res.Violation != "" || !res.Complete || res.Ends < 2 {
			t.Errorf("%s: violation %q, complete %t, %d ends; schedule %s", name, res.Violation, res.Complete, res.Ends,
				res.Schedule)
		}
	}
}

// Crashes end executions well, those of leaders and of followers: the others elect one anew.
func TestCrashesAreExplored(t *testing.T) {
	s := scope(t, "node-crashes")
	res := explored(t, &s, explore.Options{Go: func(r *explore.Result) bool { return r.Executions < 400 }})
	if res.Violation != "" || res.Ends < 50 {
		t.Errorf("violation %q, %d ends; schedule %s", res.Violation, res.Ends, res.Schedule)
	}
}

// The alarm rings: a node that forgets its disk in a crash loses what was promised, and the schedule shows where.
func TestExploredLossIsFound(t *testing.T) {
	s := explore.Scope{Name: "alone", Nodes: 1, Crashes: 1, Victims: []int{1},
		Ops: []explore.Op{{Node: 1, Word: "put"}, {Node: 1, Word: "get", After: true}}}
	res := explored(t, &s, explore.Options{Amnesia: true})
	if res.Violation == "" || !strings.Contains(res.Schedule, "c1#0") {
		t.Fatalf("nothing is found: violation %q, schedule %q", res.Violation, res.Schedule)
	}
	lines := 0
	again, err := explore.Replay(defaultSpace(), &s, res.Schedule, func(string) { lines++ })
	if err != nil || again != "" || lines == 0 {
		t.Errorf("with a disk that remembers, the same schedule breaks %q after %d lines (%v)", again, lines, err)
	}
}
