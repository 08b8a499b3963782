package sim

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"kvs/chaos"
	"kvs/linearize"
	"kvs/node"
	"kvs/scenarios"
)

// client is a process outside the cluster that has one operation at a time. A probe is a client of the liveness phase: it
// writes to one replica, again and again until it succeeds once, to prove that the replica serves; it is in no history.
type client struct {
	number    int // from 1.
	probe     bool
	script    []scenarios.Op // what is left to do of a client that has been told, and tries everything until it succeeds.
	scripted  bool           // it is such a client.
	generator *scenarios.Generator
	rng       *rand.Rand // of a probe's values; nil otherwise.
	process   int        // in the history. A new one after each write of unknown outcome.
	op        scenarios.Op
	count     uint32 // operations begun.
	busy      bool   // one is open.
	done      bool   // it begins no more.
	handle    linearize.Handle
	write     int32 // of the open operation, in the ledger; none if it is no write.
	known     map[string]known
	expect    known          // of an open compare-and-set.
	key       node.UUID      // of an open write that is tried again when its outcome is unknown; zero: it is not.
	attempts  int            // of it, so far.
	doubt     bool           // the outcome of one of them is unknown.
	floor     node.Timestamp // what was answered on the path before the operation began.
}

const noWrite = -1

// attemptsMax is how often a write under an idempotency key is tried.
const attemptsMax = 4

// known is what a client saw on a path last: what its next compare-and-set there wants to find. The zero value: nothing.
type known struct {
	found   bool
	label   string
	version node.Version
}

// condition of a put that wants to find k.
func (k *known) condition() node.Condition {
	if !k.found {
		return node.Condition{Kind: node.IfNoneMatch, Any: true}
	}
	return node.Condition{Kind: node.IfMatch, Versions: []node.Version{k.version}}
}

// call is a request on its way to a replica and back.
type call struct {
	id       uint64 // node.Request.ID; zero: a free slot.
	client   int32  // index.
	op       uint32 // client.count when it was made: later answers are of no interest.
	run      uint32 // of the replica that is working on it.
	node     uint8
	inCore   bool      // the node's loop has it.
	peers    []node.ID // of a write: those whom the replica knew when it began it.
	deadline time.Duration
	askedAt  time.Duration // when the node's loop got it,
	mode     node.Mode     // and in which mode it was.
	shows    bool          // of a put: the path showed a value there then,
	// showsKnown: if that could be read.
	showsKnown bool
	write      int32
	request    scenarios.Op
	expect     known
	key        node.UUID
	answer     answer
}

// answer is what comes back.
type answer struct {
	status  linearize.Status
	hidden  bool // an earlier attempt under the same key was refused: what was there then is not said.
	refused bool // a compare-and-set whose condition was false: found and value are what was there.
	found   bool
	value   []byte
	version node.Version
	err     string
}

const (
	probeThink  = 500 * time.Millisecond
	probeDir    = "probe/"
	scriptThink = 20 * time.Millisecond
	// unknownMax bounds the linearizable writes of one path whose outcome is unknown: each stays open to the end of the history, and with many of
	// them porcupine cannot judge it in any time. From then on clients only read that path.
	unknownMax   = 64
	callSlotBits = 24 // of a request's ID, the lower part; the upper counts.
)

// think ends a client's pause: it begins an operation, or is through.
func (w *world) think(index int32) {
	c := &w.clients[index]
	if c.done {
		return
	}
	if w.now >= w.sc.Duration && !c.probe && !c.scripted {
		c.done = true
		return
	}
	c.count++
	c.busy = true
	c.write = noWrite
	c.floor = w.recency.floor(c.op.Path)
	if c.op.Level == node.DefaultLevel {
		c.op.Level = w.sc.Workload.PathLevel(c.op.Path)
	}
	if !c.probe && !c.scripted && c.op.Level == node.Linearizable && w.unknown[c.op.Path] >= unknownMax && c.op.Kind != scenarios.OpList {
		c.op.Kind = scenarios.OpGet
	}
	c.expect = known{}
	if c.op.Kind.Conditional() {
		c.expect = c.known[c.op.Path]
	}
	if c.op.Kind == scenarios.OpCASDelete && !c.expect.found {
		c.op.Kind = scenarios.OpDelete
	}
	label := ""
	switch c.op.Kind {
	case scenarios.OpPut, scenarios.OpCAS:
		label = scenarios.Label(c.op.Value)
		c.write = w.ledger.begin(c.op.Path, false, label, c.op.Value, c.op.Node, c.number)
		w.ledger.writes[c.write].ttl, w.ledger.writes[c.write].begun = c.op.TTL, w.now
		w.ledger.writes[c.write].named = c.op.Kind.Conditional() && c.expect.found
	case scenarios.OpDelete, scenarios.OpCASDelete:
		c.write = w.ledger.begin(c.op.Path, true, "", nil, c.op.Node, c.number)
		w.ledger.writes[c.write].named = c.op.Kind.Conditional()
	}
	if !c.probe {
		w.operations++
		if c.op.Kind != scenarios.OpList {
			op := linearize.Op{Node: w.names[c.op.Node], Kind: historyKinds[c.op.Kind], Path: c.op.Path, Level: c.op.Level.String(), Input: label}
			if c.op.Kind.Conditional() {
				op.Expect, op.ExpectAbsent = c.expect.label, !c.expect.found
			}
			c.handle = w.recorder.Invoke(int64(w.now), c.process, op)
		}
	}
	if w.tracer != nil {
		w.tracer(fmt.Sprintf("%s c%d %s %q at n%d %s", w.now, c.number, c.op.Kind, c.op.Path, c.op.Node, label))
	}
	c.key, c.attempts, c.doubt = node.UUID{}, 0, false
	if c.op.Kind == scenarios.OpPut || c.op.Kind.Conditional() {
		// A compare-and-set that names a version is told when the key may have been forgotten.
		named := c.op.Kind.Conditional() && c.expect.found
		mayBegin := func() bool { return (named || w.keysOutliveRetries()) && w.keyed.mayBegin(c.op.Path, w.now) }
		if !c.probe && c.op.Level == node.Linearizable && chaos.Chance(w.clientRNG, w.sc.Workload.Retry) && mayBegin() {
			w.keyed.begin(c.op.Path, c.number, w.now, named)
			c.key = node.UUID{0: 1, 1: byte(c.number)}
			binary.BigEndian.PutUint32(c.key[4:], c.count)
		}
	}
	w.submit(index)
}

// submit sends a client's open operation to its node.
func (w *world) submit(index int32) {
	c := &w.clients[index]
	c.attempts++
	deadline := w.now + w.sc.Workload.Timeout
	if !c.key.IsZero() {
		w.keyed.tried(c.number, deadline)
	}
	w.at(deadline, event{kind: eventGiveUp, slot: index, run: c.count})
	if chaos.Chance(w.clientRNG, w.sc.Network.Loss) {
		return // the request gets lost, and the client never learns.
	}
	slot := w.calls.put(call{client: index, op: c.count, node: uint8(c.op.Node), deadline: deadline, write: c.write, request: c.op, expect: c.expect, key: c.key})
	w.at(w.now+w.clientDelay(), event{kind: eventRequest, node: uint8(c.op.Node), slot: slot})
}

var historyKinds = [...]linearize.Kind{
	scenarios.OpGet: linearize.Get, scenarios.OpPut: linearize.Put, scenarios.OpDelete: linearize.Delete, scenarios.OpCAS: linearize.CAS, scenarios.OpCASDelete: linearize.CASDelete,
}

func (w *world) clientDelay() time.Duration {
	return chaos.DrawDuration(w.clientRNG, w.sc.Network.Delay, w.sc.Network.DelayMax)
}

// request lets a replica work on a request that has reached it.
func (w *world) request(r *replica, e event) {
	c := w.calls.at(e.slot)
	switch {
	case r.node == nil:
		if w.clientRNG.IntN(4) == 0 {
			w.calls.take(e.slot) // nobody is there to refuse it; the client waits.
			return
		}
		c.answer = answer{status: linearize.Fail, err: "connection refused"}
		w.sendAnswer(e.slot)
	case r.node.Mode() == node.ModeFailed:
		c.answer = answer{status: linearize.Fail, err: node.CodeFailed.String()}
		w.sendAnswer(e.slot)
	case r.node.Mode() == node.ModeSyncing && (c.request.Kind == scenarios.OpList || c.request.Kind == scenarios.OpGet):
		c.answer = answer{status: linearize.Fail, err: node.CodeSyncing.String()} // the edge passes it to another member, or says so.
		w.sendAnswer(e.slot)
	case c.request.Kind == scenarios.OpList:
		c.answer = w.list(r, &c.request)
		w.sendAnswer(e.slot)
	case c.request.Kind == scenarios.OpGet && c.request.Level == node.Eventual && !chaos.Chance(w.clientRNG, w.sc.Workload.Core):
		c.answer = w.readView(r, c.request.Path)
		w.sendAnswer(e.slot)
	default:
		w.requestCore(r, e.slot)
	}
}

// readView is an eventual read: beside the loop, as in production.
func (w *world) readView(r *replica, path string) answer {
	rec, err := r.view.Get(path)
	if err != nil {
		return answer{status: linearize.Fail, err: err.Error()}
	}
	w.session(r, path, rec.Version())
	w.checkShown(r, path, &rec)
	return answer{status: linearize.OK, found: rec.Live(), value: rec.Value, version: rec.Version()}
}

// requestCore hands a request to the node's loop.
func (w *world) requestCore(r *replica, slot int32) {
	c := w.calls.at(slot)
	w.requests++
	c.id = w.requests<<callSlotBits | uint64(slot)
	c.run, c.inCore = r.run, true
	c.askedAt, c.mode = w.now, r.node.Mode()
	req := &node.Request{
		ID: c.id, Op: coreOps[c.request.Kind], Level: w.askedLevel(c), Path: c.request.Path,
		Deadline: r.clock.mono(w.now) + max(c.deadline-w.now, 1),
	}
	if c.request.Kind.Conditional() {
		req.Condition = c.expect.condition()
	}
	req.Key = c.key
	if req.Op == node.OpPut {
		req.Value = append([]byte(nil), c.request.Value...) // it passes into the node's ownership; the ledger keeps the other.
		req.ContentType = "text/plain"
		req.TTL = c.request.TTL
	}
	if req.Op == node.OpPut {
		c.shows, c.showsKnown = r.shows(c.request.Path)
	}
	if c.write != noWrite {
		c.peers = r.node.Peers(c.peers[:0])
	}
	w.step(r, req)
}

// askedLevel is what a client asks for: under a strong prefix plain writes say any level, and are linearizable all the same.
func (w *world) askedLevel(c *call) node.Level {
	plain := c.request.Kind == scenarios.OpPut || c.request.Kind == scenarios.OpDelete
	if !w.sc.Voters.Strong || !plain {
		return c.request.Level
	}
	return []node.Level{node.Eventual, node.Quorum, node.Linearizable}[c.op%3]
}

var coreOps = [...]node.OpKind{scenarios.OpGet: node.OpGet, scenarios.OpPut: node.OpPut, scenarios.OpDelete: node.OpDelete, scenarios.OpCAS: node.OpPut, scenarios.OpCASDelete: node.OpDelete}

// reply takes the node's answer to a request, at the moment in which the gate lets it go.
func (w *world) reply(r *replica, resp *node.Response) {
	if resp.ID&operatorCall != 0 {
		return
	}
	slot := int32(resp.ID & (1<<callSlotBits - 1))
	if int(slot) >= len(w.calls.slots) || w.calls.at(slot).id != resp.ID || !w.calls.at(slot).inCore {
		w.violate(Violation{Promise: promiseStarts, Node: r.number, Detail: fmt.Sprintf("it answers request %d, which is not open", resp.ID)})
		return
	}
	c := w.calls.at(slot)
	c.inCore = false
	c.answer = answer{status: linearize.OK, version: resp.Record.Version()}
	isWrite := c.write != noWrite
	w.joins.answers(w, r, c.request.Path, resp.Code)
	w.checkAvailable(r, c, resp)
	switch resp.Code {
	case node.CodeOK, node.CodeCreated:
		c.answer.found, c.answer.value = resp.Record.Live(), resp.Record.Value
	case node.CodeNotFound:
	case node.CodePrecondition:
		c.answer.hidden = resp.Since
		c.answer.refused, c.answer.found, c.answer.value = true, resp.Record.Live(), resp.Record.Value
	default:
		if resp.Code == node.CodeReadOnly {
			w.checkRefusal(r.number, c.request.Path)
		}
		c.answer = answer{status: linearize.Fail, err: resp.Code.String()}
		if isWrite && resp.Outcome != node.OutcomeNotApplied {
			c.answer.status = linearize.Info
		}
	}
	if !isWrite && c.answer.status == linearize.OK && c.request.Level == node.Eventual { // a quorum read may be overtaken.
		w.session(r, c.request.Path, resp.Record.Version())
		if (resp.Code == node.CodeNotFound) == resp.Record.Live() {
			w.violate(Violation{Promise: promiseKnownValues, Node: r.number, Path: c.request.Path,
				Detail: fmt.Sprintf("answers %s and %s", resp.Code, describe(resp.Record))})
		}
	}
	if isWrite && c.answer.status == linearize.OK && !c.answer.refused && resp.Record.Exists() { // deleting nothing leaves nothing.
		w.checkClock(r.number, c.request.Path)
		w.checkCreated(r, c, resp)
		w.delivery.acknowledged(r, c.request.Path, resp, c.peers)
		w.ledger.acknowledged(c.write, resp.Record.Version(), r.id)
		if resp.Level == node.Linearizable {
			w.checkChosen(r, c.request.Path, resp.Record.Version())
		} else {
			w.hlc.acknowledged(r.number, r.id, c.request.Path, resp.Record.Version(), resp.Level)
		}
		if resp.Level == node.Eventual { // those of other levels are answered when other members are ready.
			w.session(r, c.request.Path, resp.Record.Version())
		}
	}
	w.sendAnswer(slot)
}

func (w *world) sendAnswer(slot int32) {
	if chaos.Chance(w.clientRNG, w.sc.Network.Loss) {
		w.calls.take(slot)
		return
	}
	w.at(w.now+w.clientDelay(), event{kind: eventAnswer, slot: slot})
}

// hangUp breaks the connections of clients that wait for a replica that has crashed. Most of them notice.
func (w *world) hangUp(r *replica) {
	for i := range w.calls.slots {
		c := &w.calls.slots[i]
		if int(c.node) != r.number || !c.inCore {
			continue
		}
		c.inCore = false
		if w.clientRNG.IntN(4) == 0 {
			w.calls.take(int32(i))
			continue
		}
		c.answer = answer{status: linearize.Info, err: "connection reset"}
		w.at(w.now+w.clientDelay(), event{kind: eventAnswer, slot: int32(i)})
	}
}

// answered brings an answer to its client, unless that has given up.
func (w *world) answered(e event) {
	call := w.calls.take(e.slot)
	c := &w.clients[call.client]
	if c.busy && c.count == call.op {
		w.finish(call.client, &call.answer)
	}
}

func (w *world) giveUp(e event) {
	c := &w.clients[e.slot]
	if c.busy && c.count == e.run {
		w.finish(e.slot, &answer{status: linearize.Info, err: "timeout"})
	}
}

// finish ends a client's operation and plans its next one.
func (w *world) finish(index int32, a *answer) {
	c := &w.clients[index]
	if a.status == linearize.Info && !c.key.IsZero() && c.attempts < attemptsMax && !w.recovering {
		c.doubt = true
		c.count++ // answers to the former attempt are of no interest.
		c.op.Node = 1 + w.clientRNG.IntN(w.nodes)
		w.submit(index)
		return
	}
	if c.doubt && a.status == linearize.Fail {
		a.status = linearize.Info // what this attempt did not do, an earlier one may have.
	}
	c.busy = false
	w.trace.word(uint64(a.status)<<32 | uint64(c.number))
	w.trace.bytes(a.value)
	if !c.probe { // as in w.operations: what a probe learns is how the run ends.
		w.stats.answers[a.status]++
	}
	if c.write != noWrite {
		fate := a.status
		if a.refused {
			fate = linearize.Fail // it changed nothing.
		}
		w.ledger.answered(c.write, fate)
	}
	if a.status == linearize.OK && !a.hidden {
		c.learn(a)
	}
	if a.status == linearize.OK && c.op.Kind != scenarios.OpList && w.sc.Expects(scenarios.QuorumRecency) {
		w.checkRecency(c, a)
	}
	output := ""
	if (c.op.Kind == scenarios.OpGet || a.refused) && a.status == linearize.OK && a.found {
		output = scenarios.Label(a.value)
		w.readValue(c, output, a)
	}
	if w.tracer != nil {
		w.tracer(fmt.Sprintf("%s c%d %s %q at n%d: %s %s %s", w.now, c.number, c.op.Kind, c.op.Path, c.op.Node, a.status, output, a.err))
	}
	if !c.probe && c.op.Kind != scenarios.OpList {
		w.record(c, a, output)
	}
	if c.probe && a.status == linearize.OK {
		c.done = true
		return
	}
	if c.scripted && a.status == linearize.OK {
		if c.script = c.script[1:]; len(c.script) == 0 {
			c.done = true
			return
		}
	}
	w.plan(index)
}

func (w *world) record(c *client, a *answer, output string) {
	now := int64(w.now)
	switch a.status {
	case linearize.OK:
		out := linearize.Answer{}
		if c.op.Kind == scenarios.OpGet || a.refused && !a.hidden {
			out.Found, out.Output = a.found, output
		}
		if c.op.Kind.Conditional() {
			out.Applied, out.Shown = !a.refused, a.refused && !a.hidden
		}
		if a.version.TS != 0 {
			out.Version = a.version.ETag()
		}
		w.recorder.OK(c.handle, now, out)
	case linearize.Fail:
		w.recorder.Fail(c.handle, now, a.err)
	default:
		c.process = w.recorder.Info(c.handle, now, a.err)
		if c.write != noWrite && c.op.Level == node.Linearizable {
			w.unknown[c.op.Path]++
		}
	}
}

// learn takes note of what is on a path according to the answer to the open operation.
func (c *client) learn(a *answer) {
	if c.op.Kind == scenarios.OpList {
		return
	}
	if c.known == nil {
		c.known = make(map[string]known)
	}
	k := known{found: a.found, version: a.version}
	if a.found {
		k.label = scenarios.Label(a.value)
	}
	c.known[c.op.Path] = k
}

// isProbe reports whether a path is one that only probes write to.
func isProbe(path string) bool { return strings.HasPrefix(path, probeDir) }

// plan draws a client's next operation and lets it think.
func (w *world) plan(index int32) {
	c := &w.clients[index]
	if c.probe {
		word := "probe"
		if w.core != nil {
			word = "early"
		}
		c.op.Value = fmt.Appendf(nil, "%s%d.%d", word, c.op.Node, c.count+1)
		w.at(w.now+probeThink, event{kind: eventThink, slot: index})
		return
	}
	if c.scripted {
		c.op = c.script[0]
		if c.op.Kind == scenarios.OpPut {
			c.op.Value = fmt.Appendf(nil, "core%d.%d", c.number, c.count+1)
		}
		w.at(w.now+scriptThink, event{kind: eventThink, slot: index})
		return
	}
	op, more := c.generator.NextKept(w.sc.Keep)
	if !more {
		c.done = true
		return
	}
	c.op = op
	w.at(w.now+c.op.Think, event{kind: eventThink, slot: index})
}
