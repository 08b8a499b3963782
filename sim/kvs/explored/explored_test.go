package explored

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/sim/explore"
)

// A scope that is small enough to be run whole with the other tests.
var smallest = explore.Scope{Name: "smallest", Nodes: 2,
	Ops: []explore.Op{{Node: 1, Word: "put"}, {Node: 2, Word: "create"}}}

func TestEverythingOfASmallScope(t *testing.T) {
	first, err := explore.Search(Space(), &smallest, explore.Options{})
	require.NoError(t, err)
	require.Empty(t, first.Violation, first.Schedule)
	require.True(t, first.Complete)
	require.Greater(t, first.States, uint64(80)) // 90; an outbid ACCEPT that is not sent makes no state.
	require.Greater(t, first.Ends, uint64(1), "different orders end differently")
	again, err := explore.Search(Space(), &smallest, explore.Options{})
	require.NoError(t, err)
	require.Equal(t, first, again, "the search is the same each time")

	cut, err := explore.Search(Space(), &smallest, explore.Options{DepthMax: 5})
	require.NoError(t, err)
	require.False(t, cut.Complete)
	require.NotZero(t, cut.Cut)
	require.Equal(t, 5, cut.Depth)
	calls := 0
	stopped, err := explore.Search(Space(), &smallest, explore.Options{Go: func(*explore.Result) bool {
		calls++
		return calls < 4
	}})
	require.NoError(t, err)
	require.False(t, stopped.Complete)
	require.EqualValues(t, 3, stopped.Executions)
}

// A node that crashes comes back with what was durable, and finds the others: no promise breaks.
func TestCrashes(t *testing.T) {
	s := explore.Scope{Name: "crash", Nodes: 2, Ops: smallest.Ops, Crashes: 1, Victims: []int{2}}
	res, err := explore.Search(Space(), &s, explore.Options{})
	require.NoError(t, err)
	require.Empty(t, res.Violation, res.Schedule)
	require.True(t, res.Complete)
	require.Greater(t, res.States, uint64(500))
}

// Of steps that commute one order is enough: every state is met all the same, with fewer executions.
func TestOneOrderIsEnough(t *testing.T) {
	for _, s := range []explore.Scope{
		smallest,
		{Name: "crash", Nodes: 2, Ops: smallest.Ops, Crashes: 1, Victims: []int{2}},
		{Name: "tick", Nodes: 2, Ops: smallest.Ops, Ticks: 1},
		{Name: "chain", Nodes: 2, Ops: []explore.Op{{Node: 1, Word: "put"}, {Node: 2, Word: "get", After: true}}},
		{Name: "alone", Nodes: 3, Ops: []explore.Op{{Node: 1, Word: "put"}}},
	} {
		one, err := explore.Search(Space(), &s, explore.Options{})
		require.NoError(t, err)
		all, err := explore.Search(Space(), &s, explore.Options{EveryOrder: true})
		require.NoError(t, err)
		require.True(t, one.Complete && all.Complete, s.Name)
		require.Equal(t, all.States, one.States, s.Name)
		require.Equal(t, all.Ends, one.Ends, s.Name)
		require.LessOrEqual(t, one.Executions, all.Executions, s.Name)
		t.Logf("%s: %d states, %d executions instead of %d", s.Name, one.States, one.Executions, all.Executions)
	}
}

// The alarm rings: a node that forgets its records in a crash breaks the promise, and the schedule shows it again.
func TestABrokenPromiseIsFound(t *testing.T) {
	s := explore.Scope{Name: "alone", Nodes: 1, Crashes: 1, Victims: []int{1},
		Ops: []explore.Op{{Node: 1, Word: "put"}, {Node: 1, Word: "get", After: true}}}
	res, err := explore.Search(Space(), &s, explore.Options{Amnesia: true})
	require.NoError(t, err)
	require.NotEmpty(t, res.Violation)
	require.Contains(t, res.Schedule, "c1#0")
	require.False(t, res.Complete)

	var told []string
	violation, err := explore.Replay(Space(), &s, res.Schedule, func(line string) { told = append(told, line) })
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
		_, err := explore.Replay(Space(), &smallest, schedule, func(string) {})
		if want == "" {
			require.NoError(t, err)
			continue
		}
		require.ErrorContains(t, err, want, schedule)
	}
}

// An operation that is under way at the end may be answered while the closing reads run, and come after one of them.
func TestOperationsUnderWayAtTheEnd(t *testing.T) {
	s, err := Space().Find("two-creates")
	require.NoError(t, err)
	for _, schedule := range []string{"r1#0", "r2#1", "r1#0 r2#1"} {
		violation, err := explore.Replay(Space(), &s, schedule, func(string) {})
		require.NoError(t, err)
		require.Empty(t, violation, schedule)
	}
}

func TestScopes(t *testing.T) {
	for _, s := range Scopes() {
		require.NoError(t, s.Check(Space()), s.Name)
		found, err := Space().Find(s.Name)
		require.NoError(t, err)
		require.Equal(t, s, found)
		require.NotEmpty(t, s.About)
	}
	_, err := Space().Find("no such")
	require.ErrorContains(t, err, "--list")
}

// What a node had rots as it crashes, at any point. The other one of two sees, and that is enough: no promise breaks,
// and the reads at the end are answered.
func TestRotOfOneOfTwo(t *testing.T) {
	s, err := Space().Find("rot-pair")
	require.NoError(t, err)
	res, err := explore.Search(Space(), &s, explore.Options{})
	require.NoError(t, err)
	require.Empty(t, res.Violation, res.Schedule)
	require.True(t, res.Complete)
	require.Greater(t, res.States, uint64(500))
}
