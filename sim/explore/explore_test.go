package explore

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/linearize"
)

// A scope that is small enough to be lived whole with the other tests.
var smallest = Scope{Name: "smallest", Nodes: 2, Ops: []Op{{Node: 1, Kind: linearize.Put, Path: "a"}, {Node: 2, Kind: createKind, Path: "a"}}}

func TestEverythingOfASmallScope(t *testing.T) {
	first, err := Search(&smallest, Options{})
	require.NoError(t, err)
	require.Empty(t, first.Violation, first.Schedule)
	require.True(t, first.Complete)
	require.Greater(t, first.States, uint64(80)) // 90; an outbid ACCEPT that is not sent makes no state.
	require.Greater(t, first.Ends, uint64(1), "different orders end differently")
	again, err := Search(&smallest, Options{})
	require.NoError(t, err)
	require.Equal(t, first, again, "the search is the same each time")

	cut, err := Search(&smallest, Options{DepthMax: 5})
	require.NoError(t, err)
	require.False(t, cut.Complete)
	require.NotZero(t, cut.Cut)
	require.Equal(t, 5, cut.Depth)
	calls := 0
	stopped, err := Search(&smallest, Options{Go: func(*Result) bool { calls++; return calls < 4 }})
	require.NoError(t, err)
	require.False(t, stopped.Complete)
	require.EqualValues(t, 3, stopped.Executions)
}

// The alarm rings: a node that forgets its records in a crash breaks the promise, and the schedule shows it again.
func TestABrokenPromiseIsFound(t *testing.T) {
	s := Scope{Name: "alone", Nodes: 1, Crashes: 1, Victims: []int{1},
		Ops: []Op{{Node: 1, Kind: linearize.Put, Path: "a"}, {Node: 1, Kind: linearize.Get, Path: "a", After: true}}}
	res, err := Search(&s, Options{amnesia: true})
	require.NoError(t, err)
	require.NotEmpty(t, res.Violation)
	require.Contains(t, res.Schedule, "c1#0")
	require.False(t, res.Complete)

	var told []string
	violation, err := Replay(&s, res.Schedule, func(line string) { told = append(told, line) })
	require.NoError(t, err)
	require.Empty(t, violation, "without amnesia the same schedule is harmless")
	require.GreaterOrEqual(t, len(told), len(strings.Fields(res.Schedule)))
	require.Contains(t, strings.Join(told, "\n"), "n1 crashes and starts again")
	require.Contains(t, strings.Join(told, "\n"), `operation 1 is answered: created "v1"`)
}

func TestReplayRefuses(t *testing.T) {
	for schedule, want := range map[string]string{
		"x1#0": "no step", "d1#0": "no step", "r1": "no step", "rx#1": "no step", "r1#x": "no step", "": "",
		"r2#0": "not possible", "d2<1#1": "not possible", "r9#0": "not possible",
	} {
		_, err := Replay(&smallest, schedule, func(string) {})
		if want == "" {
			require.NoError(t, err)
			continue
		}
		require.ErrorContains(t, err, want, schedule)
	}
}

func TestStepsAreReadBack(t *testing.T) {
	for _, s := range []step{{stepDeliver, 2, 1, 3}, {stepRequest, 1, 0, 0}, {stepSynced, 3, 0, 7}, {stepTick, 1, 0, 1}, {stepCrash, 2, 0, 0}} {
		back, err := parseStep(s.String())
		require.NoError(t, err)
		require.Equal(t, s, back)
	}
}

func TestScopes(t *testing.T) {
	for _, s := range Scopes() {
		require.NoError(t, s.Check(), s.Name)
		found, err := Find(s.Name)
		require.NoError(t, err)
		require.Equal(t, s, found)
		require.NotEmpty(t, s.About)
	}
	_, err := Find("no such")
	require.ErrorContains(t, err, "--list")
	put := Op{Node: 1, Kind: linearize.Put, Path: "a"}
	after := Op{Node: 1, Kind: linearize.Get, Path: "a", After: true}
	for want, s := range map[string]Scope{
		"1 to 5 nodes":    {Nodes: 9, Ops: []Op{put}},
		"1 to 6 oper":     {Nodes: 1},
		"node 2 of 1":     {Nodes: 1, Ops: []Op{{Node: 2, Kind: linearize.Put, Path: "a"}}},
		"not append":      {Nodes: 1, Ops: []Op{{Node: 1, Kind: linearize.Append, Path: "a"}}},
		"not the first":   {Nodes: 1, Ops: []Op{after}},
		"only one chain":  {Nodes: 1, Ops: []Op{put, after, put, after}},
		"need victims":    {Nodes: 1, Ops: []Op{put}, Crashes: 1},
		"victims crashes": {Nodes: 1, Ops: []Op{put}, Victims: []int{1}},
		"which are nodes": {Nodes: 1, Ops: []Op{put}, Victims: []int{2}, Crashes: 1},
	} {
		require.ErrorContains(t, s.Check(), want)
	}
}
