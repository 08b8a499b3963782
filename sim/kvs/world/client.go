package world

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"

	"kvs/chaos"
	"kvs/linearize"
	"kvs/node"
	"kvs/scenarios"
	"kvs/sim"
)

// Client is a process outside of the cluster. A probe is a client of the liveness phase: it
// writes to one replica, again and again until it succeeds once, to prove that the replica serves; it is in no history.
type Client struct {
	w      *World
	number int // from 1.
	role   sim.Role
	// the remaining operations of a client with a script, which tries each until it succeeds.
	script    []scenarios.Op
	generator *scenarios.Generator
	Op        scenarios.Op
	history   linearize.Op
	count     uint32           // attempts begun.
	status    linearize.Status // how the last operation ended,
	ended     bool             // if there was one.
	write     int32            // of the open operation, in the ledger; none if it is no write.
	known     map[string]known
	expect    known // of an open compare-and-set.
	names     names // how its condition says so.
	// by path: versions that the client knows to be over.
	past     map[string][]node.Version
	key      node.UUID      // of an open write that is tried again when its outcome is unknown; zero: it is not.
	attempts int            // of it, so far.
	doubt    bool           // the outcome of one of them is unknown.
	Floor    node.Timestamp // what was answered on the path before the operation began.
}

const NoWrite = -1

// attemptsMax is how often a write under an idempotency key is tried.
const attemptsMax = 4

// known is the value that a client saw on a path last: its next compare-and-set there requires it. The zero value:
// none.
type known struct {
	found   bool
	label   string
	version node.Version
}

// Answer is what kvs adds to an answer.
type Answer struct {
	hidden  bool // an earlier attempt under the same key was refused: the value at that time is not in the answer.
	Refused bool // a compare-and-set whose condition was false: found and the value are what was there.
	Found   bool
	Version node.Version
}

const (
	probeThink  = 500 * time.Millisecond
	probeDir    = "probe/"
	scriptThink = 20 * time.Millisecond
	// unknownMax bounds the linearizable writes of one path whose outcome is unknown: each stays open to the end of
	// the history, and with many of them porcupine cannot judge it in any time. From then on clients only read that
	// path.
	unknownMax = 64
	// coreClients is how many clients each member of a core has for the paths.
	coreClients = 4
)

// Client implements sim.Cluster.
func (w *World) Client(number int) sim.Client {
	if number > max(1, w.Scenario().Clients-w.Own.Workload.Watchers) { // one writes.
		return w.newWatcher(number)
	}
	if w.load == nil {
		w.load = scenarios.NewGenerator(w.LoadRand(number), w.Own.Workload, w.Nodes(), number)
	}
	return w.addClient(&Client{number: number, generator: w.load.Of(w.LoadRand(number), number)})
}

func (w *World) addClient(c *Client) *Client {
	c.w, c.write = w, NoWrite
	w.clients = append(w.clients, c)
	return c
}

// Probe implements sim.Cluster.
func (w *World) Probe(nodes []int) {
	if w.Phase() == sim.PhaseCore {
		w.probeCore(nodes)
		return
	}
	for _, n := range nodes {
		w.addProbe(n, w.Scenario().Clients+n)
	}
}

func (w *World) addProbe(n, number int) {
	c := w.addClient(&Client{number: number, role: sim.RoleProbe,
		Op: scenarios.Op{Kind: scenarios.OpPut, Path: probeDir + sim.NodeName(n), Node: n}})
	w.AddClient(c, number, n, sim.RoleProbe)
}

// probeCore makes clients read and then write each path of the workload through a member of the core, again and again
// until that succeeds, and adds a probe for each member of the core. These operations are in the history.
func (w *World) probeCore(members []int) {
	// Several clients for each member: where many messages are lost, one would not finish all paths in time.
	scripts := make([][]scenarios.Op, len(members)*coreClients)
	count := 0
	for i := range w.Ledger.Paths {
		path := w.Ledger.Paths[i].Path
		if isProbe(path) {
			continue
		}
		k := count % len(scripts)
		count++
		op := scenarios.Op{Kind: scenarios.OpGet, Path: path, Node: members[k%len(members)]}
		if w.quorumReads(members, path) {
			scripts[k] = append(scripts[k], op)
		}
		op.Kind = scenarios.OpPut
		scripts[k] = append(scripts[k], op)
	}
	for _, n := range members {
		w.addProbe(n, w.Scenario().Clients+w.Nodes()+n)
	}
	for i, script := range scripts {
		if len(script) == 0 {
			continue
		}
		n := members[i%len(members)]
		number := w.Scenario().Clients + (2+i/len(members))*w.Nodes() + n
		w.AddClient(w.addClient(&Client{number: number, role: sim.RoleScript, script: script}), number, n,
			sim.RoleScript)
	}
}

// quorumReads reports whether these members can answer a read of a path, if that is a quorum read: it ends when a
// majority of all members has said what it holds, and one whose copy has rotted says nothing until it is written again.
func (w *World) quorumReads(members []int, path string) bool {
	if w.Own.Workload.PathLevel(path) != node.Quorum {
		return true
	}
	seeing := slices.DeleteFunc(slices.Clone(members), func(n int) bool { return w.Replicas[n].Rotten[path] })
	return 2*len(seeing) > w.Nodes()
}

// isProbe reports whether a path is one that only probes write to.
func isProbe(path string) bool { return strings.HasPrefix(path, probeDir) }

// Next implements sim.Client.
func (c *Client) Next() (think time.Duration, more bool) {
	succeeded := c.ended && c.status == linearize.OK
	switch c.role {
	case sim.RoleProbe:
		word := "probe"
		if c.w.Phase() == sim.PhaseCore {
			word = "early"
		}
		c.Op.Value = fmt.Appendf(nil, "%s%d.%d", word, c.Op.Node, c.count+1)
		return probeThink, !succeeded
	case sim.RoleScript:
		if succeeded {
			c.script = c.script[1:]
		}
		if len(c.script) == 0 {
			return 0, false
		}
		c.Op = c.script[0]
		if c.Op.Kind == scenarios.OpPut {
			c.Op.Value = fmt.Appendf(nil, "core%d.%d", c.number, c.count+1)
		}
		return scriptThink, true
	}
	c.Op = c.generator.Next(c.w.Now())
	return c.Op.Think, true
}

// Begin implements sim.Client.
func (c *Client) Begin() sim.Operation {
	w := c.w
	c.count++
	c.write = NoWrite
	c.Floor = w.answered[c.Op.Path]
	if c.Op.Level == node.DefaultLevel {
		c.Op.Level = w.Own.Workload.PathLevel(c.Op.Path)
	}
	if c.role == sim.RoleLoad && c.Op.Level == node.Linearizable && w.unknown[c.Op.Path] >= unknownMax &&
		c.Op.Kind != scenarios.OpList {
		c.Op.Kind = scenarios.OpGet
	}
	c.expect, c.names = known{}, names{}
	if c.Op.Kind.Conditional() {
		c.expect = c.known[c.Op.Path]
		c.drawNames()
	}
	if c.Op.Kind == scenarios.OpCASDelete && !c.expect.found && !c.names.any {
		c.Op.Kind = scenarios.OpDelete
	}
	label := c.beginWrite()
	op := sim.Operation{Timeout: w.Own.Workload.Timeout, Kind: c.Op.Kind.String(), Subject: c.Op.Path, Label: label}
	if c.role != sim.RoleProbe && c.Op.Kind != scenarios.OpList {
		c.history = linearize.Op{Node: sim.NodeName(c.Op.Node), Kind: historyKinds[c.Op.Kind], Path: c.Op.Path,
			Level: c.Op.Level.String(), Input: label}
		switch {
		case c.names.any:
			c.history.Kind = c.names.kind(c.Op.Kind)
		case c.Op.Kind.Conditional():
			c.history.Expect, c.history.ExpectAbsent = c.expect.label, !c.expect.found
		}
		op.History = &c.history
	}
	c.drawKey()
	c.attempt(&op)
	return op
}

// beginWrite records a write in the ledger, and returns the label of its value.
func (c *Client) beginWrite() (label string) {
	l := &c.w.Ledger
	switch c.Op.Kind {
	case scenarios.OpPut, scenarios.OpCAS:
		label = scenarios.Label(c.Op.Value)
		c.write = l.Begin(c.Op.Path, false, label, c.Op.Value, c.Op.Node, c.number)
		l.Writes[c.write].TTL, l.Writes[c.write].Begun = c.Op.TTL, c.w.Now()
		l.Writes[c.write].WantsValue = c.Op.Kind.Conditional() && (c.expect.found || c.names.any)
	case scenarios.OpDelete, scenarios.OpCASDelete:
		c.write = l.Begin(c.Op.Path, true, "", nil, c.Op.Node, c.number)
		l.Writes[c.write].WantsValue = c.Op.Kind.Conditional()
	}
	return label
}

// drawKey gives some writes an idempotency key, under which they are tried again.
func (c *Client) drawKey() {
	w := c.w
	c.key, c.attempts, c.doubt = node.UUID{}, 0, false
	if c.Op.Kind != scenarios.OpPut && !c.Op.Kind.Conditional() {
		return
	}
	// The answer to a compare-and-set that names a version says when the key may have been dropped.
	named := c.Op.Kind.Conditional() && c.expect.found && !c.names.any
	mayBegin := func() bool { return (named || w.keysOutliveRetries()) && w.keyed.MayBegin(c.Op.Path, w.Now()) }
	if c.role != sim.RoleProbe && c.Op.Level == node.Linearizable &&
		chaos.Chance(w.ClientRand(), w.Own.Workload.Retry) && mayBegin() {
		w.keyed.Begin(c.Op.Path, c.number, w.Now(), named)
		c.key = node.UUID{0: 1, 1: byte(c.number)}
		binary.BigEndian.PutUint32(c.key[4:], c.count)
	}
}

// keysOutliveRetries reports whether a write is given up before its key can be dropped with the tombstone of a later
// deletion: later retries are new writes, except compare-and-sets that name a version.
func (w *World) keysOutliveRetries() bool {
	return w.Own.Tuning.Grace > attemptsMax*w.Own.Workload.Timeout
}

// attempt begins an attempt at the open operation.
func (c *Client) attempt(op *sim.Operation) {
	c.attempts++
	if !c.key.IsZero() {
		c.w.keyed.Tried(c.number, c.w.Now()+c.w.Own.Workload.Timeout)
	}
	op.Node = c.Op.Node
	k := c.w.calls.New()
	*k = Call{number: c.count, Request: c.Op, Write: c.write, expect: c.expect, names: c.names, Key: c.key}
	op.Body = k
}

var historyKinds = [...]linearize.Kind{
	scenarios.OpGet: linearize.Get, scenarios.OpPut: linearize.Put, scenarios.OpDelete: linearize.Delete,
	scenarios.OpCAS: linearize.CAS, scenarios.OpCASDelete: linearize.CASDelete,
}

// End implements sim.Client.
func (c *Client) End(op *sim.Operation, a *sim.Answer) (again bool) {
	w := c.w
	if a.Status == linearize.Info && !c.key.IsZero() && c.attempts < attemptsMax && !w.Recovering() {
		c.doubt = true
		c.count++
		c.Op.Node = 1 + w.ClientRand().IntN(w.Nodes())
		c.attempt(op)
		return true
	}
	if c.doubt && a.Status == linearize.Fail {
		a.Status = linearize.Info // an earlier attempt may have done it.
	}
	c.status, c.ended = a.Status, true
	k, _ := a.Body.(*Answer)
	if k == nil {
		k = &Answer{}
	}
	if c.write != NoWrite {
		fate := a.Status
		if k.Refused {
			fate = linearize.Fail // it changed nothing.
		}
		w.Ledger.Answer(c.write, fate)
	}
	if a.Status == linearize.Info && c.role != sim.RoleProbe && c.write != NoWrite && c.Op.Level == node.Linearizable {
		w.unknown[c.Op.Path]++
	}
	if a.Status != linearize.OK {
		return false
	}
	if c.Op.Kind != scenarios.OpList {
		w.answered[c.Op.Path] = max(w.answered[c.Op.Path], k.Version.TS)
	}
	label := ""
	if k.Found && c.Op.Kind != scenarios.OpList {
		label = scenarios.Label(a.Value)
	}
	if !k.hidden {
		c.learn(k, label)
	}
	if c.Op.Kind == scenarios.OpGet || k.Refused {
		a.Output = label
	}
	a.History = c.historyOf(a, k)
	if c.names.any && k.Refused {
		c.refused(a, k)
	}
	return false
}

// historyOf is an answer for the judge.
func (c *Client) historyOf(a *sim.Answer, k *Answer) (out linearize.Answer) {
	if c.Op.Kind == scenarios.OpGet || k.Refused && !k.hidden {
		out.Found, out.Output = k.Found, a.Output
	}
	if c.Op.Kind.Conditional() && !c.names.any {
		out.Applied, out.Shown = !k.Refused, k.Refused && !k.hidden
	}
	if k.Version.TS != 0 {
		out.Version = k.Version.ETag()
	}
	return out
}

// learn records the value of a path, with its label, from the answer to the open operation.
func (c *Client) learn(k *Answer, label string) {
	if c.Op.Kind == scenarios.OpList {
		return
	}
	if c.known == nil {
		c.known = make(map[string]known, c.w.paths())
	}
	to := known{found: k.Found, label: label, version: k.Version}
	if before := c.known[c.Op.Path]; before.found && before.version != to.version {
		c.over(c.Op.Path, before.version)
	}
	c.known[c.Op.Path] = to
}
