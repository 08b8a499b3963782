package scenarios

import (
	"bytes"
	"hash/fnv"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"kvs/chaos"
	"kvs/node"
)

// OpKind is the kind of an operation.
type OpKind uint8

// The operations.
const (
	OpGet OpKind = iota
	OpPut
	OpDelete
	OpList
	OpCAS       // a put, if the path still shows the value that the client saw there last.
	OpCASDelete // a delete, if it does; a plain one if the client saw nothing there.
)

var opNames = [...]string{"get", "put", "delete", "list", "cas", "cas-delete"}

// String prints the word used in histories.
func (k OpKind) String() string { return opNames[k] }

// Conditional reports whether an operation of this kind is a compare-and-set.
func (k OpKind) Conditional() bool { return k == OpCAS || k == OpCASDelete }

// Op is one operation of a client.
type Op struct {
	Kind      OpKind
	Path      string        // of a list: the directory, "" or ending in a slash.
	Recursive bool          // of a list.
	TTL       time.Duration // of a put: time to live of the value; zero: for ever.
	Value     []byte        // of a put: fresh memory, different from every other value of the run. See Label.
	Level     node.Level    // DefaultLevel: what Workload.PathLevel says.
	Node      int           // the node to ask, from 1.
	Think     time.Duration
}

// Generator makes the operations of one client. The same rng state, workload and client give the same operations. It is
// not safe for concurrent use.
type Generator struct {
	rng    *rand.Rand
	w      Workload
	nodes  int
	client int
	puts   int
	paths  []string
}

// NewGenerator returns the generator of a client, numbered from 1, in a cluster of nodes. Each client needs an rng of
// its own: then its operations do not depend on the speed of others.
func NewGenerator(rng *rand.Rand, w Workload, nodes, client int) *Generator {
	if err := w.check(); err != nil {
		panic("scenarios: a workload that Validate refuses: " + err.Error())
	}
	g := &Generator{rng: rng, w: w, nodes: nodes, client: client, paths: Paths(w.Keys)}
	if w.Mixed {
		for i := range g.paths {
			g.paths[i] = mixedDirs[i%len(mixedDirs)] + g.paths[i]
		}
	}
	return g
}

// Of returns the generator of another client for the same workload and nodes. The two share the list of paths.
func (g *Generator) Of(rng *rand.Rand, client int) *Generator {
	other := *g
	other.rng, other.client, other.puts = rng, client, 0
	return &other
}

// Next returns the client's next operation. Now is the time since the beginning of the run.
func (g *Generator) Next(now time.Duration) Op {
	op := Op{Kind: g.kind(), Think: chaos.DrawDuration(g.rng, g.w.Think, g.w.ThinkMax)}
	op.Node = g.node(op.Kind)
	op.Path = g.path()
	if burst := g.w.Burst; burst > 0 {
		number := now/burst + 1
		op.Think += number*burst - now
		op.Path = g.paths[int(number)%len(g.paths)]
	}
	op.Level = g.w.PathLevel(op.Path)
	if g.w.Mixed {
		g.mix(&op)
	}
	switch op.Kind {
	case OpPut, OpCAS:
		op.Value = g.value()
		if g.w.TTLMax > 0 && g.rng.IntN(2) == 0 {
			op.TTL = g.ttl(&op)
		}
	case OpList:
		op.Path = directory(g.rng, op.Path)
		op.Recursive = g.rng.IntN(2) == 0
	}
	return op
}

// The directories of a mixed workload. In MixedDir every operation has a level of its own.
const (
	EventualDir     = "e/"
	QuorumDir       = "q/"
	LinearizableDir = "l/"
	MixedDir        = "m/"
)

var mixedDirs = [...]string{LinearizableDir, EventualDir, QuorumDir, MixedDir}

// WatchedDir is a directory of some of the paths, for clients that watch a part.
func (w *Workload) WatchedDir() string {
	if w.Mixed {
		return EventualDir
	}
	return segments[0] + "/"
}

// PathLevel is the level of the operations on a path; of those in MixedDir, that of most.
func (w *Workload) PathLevel(path string) node.Level {
	switch {
	case w.Mixed && strings.HasPrefix(path, EventualDir):
		return node.Eventual
	case w.Mixed && strings.HasPrefix(path, QuorumDir):
		return node.Quorum
	}
	return w.Level
}

// LinearizablePrefix is the prefix of the paths whose histories have to be linearizable if the scenario expects that.
func (w *Workload) LinearizablePrefix() string {
	if w.Mixed {
		return LinearizableDir
	}
	return ""
}

// mix makes an operation one that its path can have: a compare-and-set is linearizable.
func (g *Generator) mix(op *Op) {
	switch {
	case op.Kind == OpCAS && op.Level != node.Linearizable:
		op.Kind = OpPut
	case op.Kind == OpCASDelete && op.Level != node.Linearizable:
		op.Kind = OpDelete
	case !op.Kind.Conditional() && strings.HasPrefix(op.Path, MixedDir):
		op.Level = [...]node.Level{node.Eventual, node.Quorum, node.Linearizable}[g.rng.IntN(3)]
	}
}

func (g *Generator) kind() OpKind {
	weights := [...]int{OpGet: g.w.Get, OpPut: g.w.Put, OpDelete: g.w.Delete, OpList: g.w.List, OpCAS: g.w.CAS,
		OpCASDelete: g.w.CASDelete}
	total := 0
	for _, w := range weights {
		total += w
	}
	n := g.rng.IntN(total)
	for k, w := range weights {
		if n < w {
			return OpKind(k)
		}
		n -= w
	}
	panic("scenarios: weights that do not add up")
}

func (g *Generator) node(k OpKind) int {
	reads := k == OpGet || k == OpList
	switch {
	case g.nodes == 1 || g.w.Attach == AttachOne:
		return 1
	case g.w.Attach == AttachOwn:
		return (g.client-1)%g.nodes + 1
	case g.w.Attach == AttachApart && reads:
		return 2 + g.rng.IntN(g.nodes-1)
	case g.w.Attach == AttachApart:
		return 1
	}
	return 1 + g.rng.IntN(g.nodes)
}

// ttl is the time to live of a put's value. In a mixed workload that of a linearizable path is computed from the
// value's label: it is not drawn, so that all other draws of old seeds stay the same.
func (g *Generator) ttl(op *Op) time.Duration {
	rng := g.rng
	if g.w.Mixed && g.w.PathLevel(op.Path) == node.Linearizable {
		h := fnv.New64a()
		h.Write([]byte(Label(op.Value)))
		rng = rand.New(rand.NewPCG(h.Sum64(), 0))
	}
	return max(chaos.DrawDuration(rng, g.w.TTL, g.w.TTLMax), time.Millisecond)
}

// HotKeys is the number of hot ones among keys: a tenth, but one at least.
func HotKeys(keys int) int { return max(1, keys/10) }

func (g *Generator) path() string {
	if chaos.Chance(g.rng, g.w.Hot) {
		return g.paths[g.rng.IntN(HotKeys(len(g.paths)))]
	}
	return g.paths[g.rng.IntN(len(g.paths))]
}

// value returns a value that no other put of the run writes: "c3.17" is the 17th of client 3, filled up with dots. A
// value that is too short for its label is as long as the label.
func (g *Generator) value() []byte {
	g.puts++
	size := g.w.Value + g.rng.IntN(g.w.ValueMax-g.w.Value+1)
	b := make([]byte, 0, max(size, 24))
	b = append(b, 'c')
	b = strconv.AppendInt(b, int64(g.client), 10)
	b = append(b, '.')
	b = strconv.AppendInt(b, int64(g.puts), 10)
	for len(b) < size {
		b = append(b, '.')
	}
	return b
}

// Label is the part of a generated value that distinguishes it from the others: short enough for histories.
func Label(value []byte) string {
	for len(value) > len(padding) && string(value[len(value)-len(padding):]) == padding {
		value = value[:len(value)-len(padding)]
	}
	return string(bytes.TrimRight(value, "."))
}

// padding is a piece of what fills a generated value up, for comparing it faster than byte by byte.
const padding = "................................"

// segments are the names of every level of the tree. "a-" and "a0" sort right before and right after what is below
// "a/", where a careless comparison in a listing is wrong.
var segments = [...]string{"a", "a-", "a0", "b"}

// Paths returns the first n paths of a tree in which every node has a value and four children: a, a-, a0, b, a/a, a/a-
// and so on. 20 paths are two levels of it, 84 are three.
func Paths(n int) []string {
	out := make([]string, 0, n)
	for i := range n {
		if i < len(segments) {
			out = append(out, segments[i])
			continue
		}
		out = append(out, out[i/len(segments)-1]+"/"+segments[i%len(segments)])
	}
	return out
}

// directory returns a directory on the way to path: the root, one above it, or path itself with what is below it.
func directory(rng *rand.Rand, path string) string {
	path += "/"
	depth := rng.IntN(strings.Count(path, "/") + 1)
	end := 0
	for range depth {
		end += strings.IndexByte(path[end:], '/') + 1
	}
	return path[:end]
}
