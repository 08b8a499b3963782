package explore

import (
	"fmt"
	"slices"

	"kvs/linearize"
)

// Op is a client operation of a scope.
type Op struct {
	Node  int // 1, 2, ...
	Kind  linearize.Kind
	Path  string
	After bool // it is sent when the operation before it in the list has been answered, or its node has crashed; otherwise at any time.
}

// Scope is a small experiment.
type Scope struct {
	Name  string
	About string
	Nodes int
	Ops   []Op
	// Crashes and Ticks bound how often a node crashes, and how often one wakes up because time has passed, in one execution.
	Crashes, Ticks int
	// Victims are the nodes that crash, and whose disks are slow: the end of each fsync is a step of its own. The disks of others are done at
	// once.
	Victims []int
}

func (s *Scope) victim(i int) bool { return slices.Contains(s.Victims, i) }

const createKind = linearize.CAS // a create is a compare-and-set that wants nothing to be there.

var scopes = []Scope{
	{Name: "one-write", About: "a write, and a read after it at another node", Nodes: 3,
		Ops: []Op{{Node: 1, Kind: linearize.Put, Path: "a"}, {Node: 2, Kind: linearize.Get, Path: "a", After: true}}},
	{Name: "write-beside-read", About: "a read while a write is under way, and one more after it elsewhere", Nodes: 3,
		Ops: []Op{{Node: 1, Kind: linearize.Put, Path: "a"}, {Node: 2, Kind: linearize.Get, Path: "a"}, {Node: 3, Kind: linearize.Get, Path: "a", After: true}}},
	{Name: "two-writers", About: "two writes at once", Nodes: 3,
		Ops: []Op{{Node: 1, Kind: linearize.Put, Path: "a"}, {Node: 2, Kind: linearize.Put, Path: "a"}}},
	{Name: "two-creates", About: "two compare-and-sets at once that both want nothing to be there", Nodes: 3,
		Ops: []Op{{Node: 1, Kind: createKind, Path: "a"}, {Node: 2, Kind: createKind, Path: "a"}}},
	{Name: "creates-voter-crashes", About: "two creates, the third node crashes and forgets what was not durable", Nodes: 3, Crashes: 1, Victims: []int{3},
		Ops: []Op{{Node: 1, Kind: createKind, Path: "a"}, {Node: 2, Kind: createKind, Path: "a"}}},
	{Name: "creates-proposer-crashes", About: "two creates, the node of the first crashes and forgets what was not durable", Nodes: 3, Crashes: 1, Victims: []int{1},
		Ops: []Op{{Node: 1, Kind: createKind, Path: "a"}, {Node: 2, Kind: createKind, Path: "a"}}},
	{Name: "write-voter-crashes", About: "a write and a read after it elsewhere, the node that took part in neither as a client crashes", Nodes: 3, Crashes: 1, Victims: []int{3},
		Ops: []Op{{Node: 1, Kind: linearize.Put, Path: "a"}, {Node: 2, Kind: linearize.Get, Path: "a", After: true}}},
	{Name: "write-reader-crashes", About: "a write and a read after it, at the node that crashes", Nodes: 3, Crashes: 1, Victims: []int{2},
		Ops: []Op{{Node: 1, Kind: linearize.Put, Path: "a"}, {Node: 2, Kind: linearize.Get, Path: "a", After: true}}},
	{Name: "impatient-writer", About: "a write whose node gets tired of waiting and asks again, beside a write elsewhere", Nodes: 3, Ticks: 1,
		Ops: []Op{{Node: 1, Kind: linearize.Put, Path: "a"}, {Node: 2, Kind: linearize.Put, Path: "a"}}},
}

// Scopes returns the named experiments. The caller may change what it gets.
func Scopes() []Scope {
	out := slices.Clone(scopes)
	for i := range out {
		out[i].Ops = slices.Clone(out[i].Ops)
	}
	return out
}

// Find returns the scope of that name.
func Find(name string) (Scope, error) {
	for _, s := range Scopes() {
		if s.Name == name {
			return s, nil
		}
	}
	return Scope{}, fmt.Errorf("there is no scope %q: kvsim explore --list names them", name)
}

// Bounds of a scope: more than this would never be walked through.
const (
	nodesMax = 5
	opsMax   = 6
)

// Check says what is wrong with a scope.
func (s *Scope) Check() error {
	if s.Nodes < 1 || s.Nodes > nodesMax || len(s.Ops) < 1 || len(s.Ops) > opsMax || s.Crashes < 0 || s.Ticks < 0 {
		return fmt.Errorf("scope %q: 1 to %d nodes, 1 to %d operations, no negative crashes or ticks", s.Name, nodesMax, opsMax)
	}
	chained, last := false, -1
	if s.Crashes > 0 != (len(s.Victims) > 0) || slices.ContainsFunc(s.Victims, func(i int) bool { return i < 1 || i > s.Nodes }) {
		return fmt.Errorf("scope %q: crashes need victims, which are nodes, and victims crashes", s.Name)
	}
	for i, op := range s.Ops {
		if op.Node < 1 || op.Node > s.Nodes {
			return fmt.Errorf("scope %q: operation %d is at node %d of %d", s.Name, i+1, op.Node, s.Nodes)
		}
		if !slices.Contains([]linearize.Kind{linearize.Get, linearize.Put, linearize.Delete, createKind}, op.Kind) {
			return fmt.Errorf("scope %q: operation %d: get, put, delete and create can be explored, not %s", s.Name, i+1, op.Kind)
		}
		if op.After {
			// Intervals of a history can tell one chain of operations from what happens beside it, not two chains from each other.
			if i == 0 || chained && last != i-1 {
				return fmt.Errorf("scope %q: operation %d: only one chain of operations may wait for each other, and not the first one", s.Name, i+1)
			}
			chained, last = true, i
		}
	}
	return nil
}
