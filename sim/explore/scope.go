package explore

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Op is a client operation of a scope.
type Op struct {
	Node  int    // 1, 2, ...
	Word  string // which: see Space.
	After bool   // it is sent when the operation before it in the list has ended; otherwise at any time.
}

// Scope is a small experiment.
type Scope struct {
	Name  string
	About string
	Nodes int
	Ops   []Op
	// Crashes and Ticks bound how often nodes crash, and how often they wake up because time has passed, in one
	// execution.
	Crashes, Ticks int
	// Victims are the nodes that crash, and whose disks are slow: the end of each fsync is a step of its own. The disks
	// of others are done at once.
	Victims []int
	// Rots: what a crashed node has on its disk, of what matters, fails its checksums when the node starts again. The
	// operations at the end have to be answered nevertheless if half of the nodes crash at most.
	Rots bool
	// With names what the system has on in this scope, see Space.With. Default: nothing.
	With []string
	// Passes bounds how often time passes without a wake-up, as if all nodes were paused.
	Passes int
	// Patience is by how much a node wakes up later than it has asked for, and how much time passes in a pass. Default:
	// 300 ms.
	Patience time.Duration
}

func (s *Scope) victim(i int) bool { return slices.Contains(s.Victims, i) }

func (s *Scope) patience() time.Duration { return cmp.Or(s.Patience, patience) }

// ParseOps reads operations as the command line has them: a word and a node, as in put@1. A plus sends an operation
// after the answer to the one before.
func ParseOps(texts []string) ([]Op, error) {
	var out []Op
	for _, text := range texts {
		rest, after := strings.CutPrefix(text, "+")
		word, at, _ := strings.Cut(rest, "@")
		op := Op{Word: word, After: after}
		if _, err := fmt.Sscanf(at, "%d", &op.Node); err != nil || word == "" {
			return nil, fmt.Errorf("operation %q: want a word and a node, such as put@1 or +get@2", text)
		}
		out = append(out, op)
	}
	return out, nil
}

// Bounds of a scope: a larger one could not be explored completely.
const (
	nodesMax = 5
	opsMax   = 6
)

// Check returns what is wrong with a scope of a space.
func (s *Scope) Check(space *Space) error {
	if s.Nodes < 1 || s.Nodes > nodesMax || len(s.Ops) < 1 || len(s.Ops) > opsMax || s.Crashes < 0 || s.Ticks < 0 ||
		s.Passes < 0 {
		return fmt.Errorf("scope %q: 1 to %d nodes, 1 to %d operations, no negative crashes, ticks or passes", s.Name,
			nodesMax, opsMax)
	}
	outside := func(i int) bool { return i < 1 || i > s.Nodes }
	if s.Rots && s.Crashes == 0 {
		return fmt.Errorf("scope %q: rot needs crashes", s.Name)
	}
	if s.Crashes > 0 != (len(s.Victims) > 0) || slices.ContainsFunc(s.Victims, outside) {
		return fmt.Errorf("scope %q: crashes need victims, which are nodes, and victims crashes", s.Name)
	}
	if s.Patience < 0 {
		return fmt.Errorf("scope %q: a patience below zero", s.Name)
	}
	if len(s.With) > 0 && space.With == nil {
		return fmt.Errorf("scope %q: the system has nothing to turn on", s.Name)
	}
	last := -1
	for i, op := range s.Ops {
		switch words := space.words(); {
		case op.Node < 1 || op.Node > s.Nodes:
			return fmt.Errorf("scope %q: operation %d is at node %d of %d", s.Name, i+1, op.Node, s.Nodes)
		case !slices.Contains(words, op.Word):
			return fmt.Errorf("scope %q: operation %d: %s can be explored, not %s", s.Name, i+1,
				strings.Join(words, ", "), op.Word)
		case !op.After:
		case i == 0 || last >= 0 && last != i-1:
			// The intervals of a history can order one chain of operations, but not two chains.
			return fmt.Errorf("scope %q: operation %d: only one chain of operations may wait for each other, "+
				"and not the first one", s.Name, i+1)
		default:
			last = i
		}
	}
	return nil
}
