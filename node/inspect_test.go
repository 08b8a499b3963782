package node

import (
	"bytes"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node/contract"
	"kvs/node/step"
)

// Each operation under way is listed once, also one that waits for another of its path, in the order in which they
// began.
func TestOpenOperations(t *testing.T) {
	b := founded(t, 3)
	b.cut = func(from, to string) bool { return true }
	ids := []uint64{
		b.linear(0, contract.OpPut, "a", "one", always),
		b.linear(0, contract.OpPut, "a", "two", always),
		b.quorum(0, contract.OpPut, "a", "three"),
	}
	b.run(10*time.Millisecond, nil)
	open := b.machine[0].node.OpenOperations()
	require.Len(t, open, len(ids))
	for i, o := range open {
		require.Equal(t, ids[i], o.Request)
		require.Equal(t, "a", o.Path)
	}
	require.Equal(t, "promises", open[0].Waits)
	require.Len(t, open[0].Members, 2)
	require.Equal(t, "another operation of this member on the path", open[1].Waits)
	require.Equal(t, contract.Quorum, open[2].Level)
	require.Len(t, open[2].Members, 2)
}

// questions are what may be asked of a node between two steps.
var questions = map[string]func(n *Node){
	"AppendOperationState": func(n *Node) { n.AppendOperationState(nil) },
	"CanRemove":            func(n *Node) { _ = n.CanRemove(n.Peers[0].ID, false) },
	"Clock":                func(n *Node) { n.Clock() },
	"ClockOff":             func(n *Node) { n.ClockOff() },
	"Config":               func(n *Node) { n.Config() },
	"Conflicts":            func(n *Node) { n.Conflicts("", ConflictsKeptMax) },
	"ID":                   func(n *Node) { n.ID() },
	"Mode":                 func(n *Node) { n.Mode() },
	"ModeStored":           func(n *Node) { n.ModeStored() },
	"OpenOperations":       func(n *Node) { n.OpenOperations() },
	"PeerIDs":              func(n *Node) { n.PeerIDs(nil) },
	"Status":               func(n *Node) { n.Status() },
	"StatusInto":           func(n *Node) { n.StatusInto(new(Status)) },
}

// A question changes nothing in a node: a recording does not have it, and the core that is run again is not asked.
func TestQuestionsChangeNothing(t *testing.T) {
	others := []string{"Step", "Image", "ReplaceInput", "ReplaceValues", "SetLogLevel"}
	own, shared := reflect.TypeFor[*Node](), reflect.TypeFor[*step.Shared]()
	for i := range own.NumMethod() {
		name := own.Method(i).Name
		if _, promoted := shared.MethodByName(name); !promoted {
			known := questions[name] != nil || slices.Contains(others, name)
			require.True(t, known, "is %s a question?", name)
		}
	}
	b := newBench(t, 3)
	asked := 0
	ask := func() {
		for i, m := range b.machine {
			if !m.replica.Up() || len(m.node.Peers) == 0 {
				continue
			}
			before, err := m.node.Image(nil, 0)
			require.NoError(t, err)
			for _, ask := range questions {
				ask(m.node)
			}
			after, err := m.node.Image(nil, 0)
			require.NoError(t, err)
			require.True(t, bytes.Equal(before, after), "n%d is changed by a question at %v", i+1, b.now)
			asked++
		}
	}
	until := func(met func() bool) { // after every step on the way, too.
		t.Helper()
		b.run(time.Second, func() bool { ask(); return met() })
	}
	until(func() bool { return b.members(3) })
	b.found(3)
	for _, path := range []string{"b", "a", "c"} { // ballots stand, in another order than that of the paths.
		b.doLinear(0, contract.OpPut, path, "one", always)
	}
	b.join()
	until(func() bool { return b.members(4) })
	gone := b.machine[3].node.Self // another one takes its row in the tables about peers.
	b.crash(3)
	b.step(0, &contract.Remove{ID: gone, Force: true})
	until(func() bool { return b.state(1, gone) == "removed" && b.state(2, gone) == "removed" })
	b.join()
	until(func() bool { return b.members(4) })
	require.Greater(t, asked, 50)
}
