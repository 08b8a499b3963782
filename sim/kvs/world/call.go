package world

import (
	"time"

	"kvs/chaos"
	"kvs/linearize"
	"kvs/node"
	"kvs/node/schema"
	"kvs/scenarios"
	"kvs/sim"
	"kvs/sim/kvs/member"
)

// Call is one attempt of an operation, with its request and answer.
type Call struct {
	number  uint32 // of the client's attempts.
	Request scenarios.Op
	Write   int32
	expect  known
	names   names
	Key     node.UUID

	AskedAt time.Duration // when the node's loop got it,
	Mode    node.Mode     // and the mode of the node then.
	Peers   []node.ID     // of a write: the peers that the replica knew when it began it.
	Shown   bool          // of a put: the path showed a value there then,
	// shownKnown: if that could be read.
	ShownKnown bool

	request node.Request // as the node gets it.
	answer  Answer
}

// Serve implements sim.Client: the node's edge answers, or its loop.
func (c *Client) Serve(of *sim.Replica, s *sim.Call) (body any, ask bool) {
	w, r, k := c.w, c.w.Of(of), s.Op.Body.(*Call)
	s.State = k
	switch mode := r.Node.Mode(); {
	case mode == node.ModeFailed:
		s.Answer = sim.Answer{Status: linearize.Fail, Err: node.CodeFailed.String()}
	case mode == node.ModeSyncing && (k.Request.Kind == scenarios.OpList || k.Request.Kind == scenarios.OpGet):
		// the edge passes it to another member, or refuses it.
		s.Answer = sim.Answer{Status: linearize.Fail, Err: node.CodeSyncing.String()}
	case k.Request.Kind == scenarios.OpList:
		s.Answer = w.list(r, &k.Request)
	case k.Request.Kind == scenarios.OpGet && k.Request.Level == node.Eventual &&
		!chaos.Chance(w.ClientRand(), w.Own.Workload.Core):
		s.Answer = w.readView(r, k)
	default:
		return w.ask(r, k), true
	}
	return nil, false
}

// readView is an eventual read: beside the loop, as in production.
func (w *World) readView(r *Replica, k *Call) sim.Answer {
	path, err := k.Request.Path, error(nil)
	rec := &w.read
	if *rec, err = r.View.Get(path); err != nil {
		return sim.Answer{Status: linearize.Fail, Err: err.Error()}
	}
	w.shown.Path, w.shown.Record, w.shown.Read = path, rec, true
	w.Tell(VersionShown, r.Replica, &w.shown)
	k.answer = Answer{Found: rec.Live(), Version: rec.Version()}
	return sim.Answer{Status: linearize.OK, Value: rec.Value, Body: &k.answer}
}

// ask turns a call into a request to the node's loop.
func (w *World) ask(r *Replica, c *Call) *node.Request {
	c.AskedAt, c.Mode = w.Now(), r.Node.Mode()
	req := &c.request
	*req = node.Request{Op: coreOps[c.Request.Kind], Level: w.AskedLevel(c), Path: c.Request.Path}
	if c.Request.Kind.Conditional() {
		req.Condition = c.names.condition(&c.expect)
	}
	req.Key = c.Key
	if req.Op == node.OpPut {
		// it passes into the node's ownership; the ledger keeps the other.
		req.Value = w.values.Copy(c.Request.Value)
		req.ContentType = "text/plain"
		req.TTL = c.Request.TTL
		c.Shown, c.ShownKnown = r.ShowsAt(c.Request.Path)
	}
	if c.Write != NoWrite {
		c.Peers = r.Node.PeerIDs(w.peers.Take(w.Nodes()))
	}
	return req
}

// AskedLevel is the level of a client's request: under a strong prefix plain writes ask for any level, and are
// linearizable nevertheless.
func (w *World) AskedLevel(c *Call) node.Level {
	plain := c.Request.Kind == scenarios.OpPut || c.Request.Kind == scenarios.OpDelete
	if !w.Own.Voters.Strong || !plain {
		return c.Request.Level
	}
	return []node.Level{node.Eventual, node.Quorum, node.Linearizable}[c.number%3]
}

var coreOps = [...]node.OpKind{scenarios.OpGet: node.OpGet, scenarios.OpPut: node.OpPut,
	scenarios.OpDelete: node.OpDelete, scenarios.OpCAS: node.OpPut, scenarios.OpCASDelete: node.OpDelete}

// Answer implements sim.Client.
func (c *Client) Answer(_ *sim.Replica, s *sim.Call, reply *sim.Reply) sim.Answer {
	resp, call := &reply.Body.(*member.Answered).Response, s.State.(*Call)
	k := &call.answer
	*k = Answer{Version: resp.Record.Version()}
	a := sim.Answer{Status: linearize.OK, Body: k}
	switch resp.Code {
	case node.CodeOK, node.CodeCreated:
		k.Found, a.Value = resp.Record.Live(), resp.Record.Value
	case node.CodeNotFound:
	case node.CodePrecondition:
		k.hidden = resp.Since
		k.Refused, k.Found, a.Value = true, resp.Record.Live(), resp.Record.Value
	default:
		a = sim.Answer{Status: linearize.Fail, Err: resp.Code.String()}
		if call.Write != NoWrite && resp.Outcome != node.OutcomeNotApplied {
			a.Status = linearize.Info
		}
	}
	return a
}

// succeeded reports whether an answer is a success.
func succeeded(resp *node.Response) bool {
	return resp.Code == node.CodeOK || resp.Code == node.CodeCreated || resp.Code == node.CodeNotFound
}

// Acknowledged reports whether an answer promises that a write is there. Deleting nothing leaves nothing.
func (c *Call) Acknowledged(resp *node.Response) bool {
	return c.Write != NoWrite && succeeded(resp) && resp.Record.Exists()
}

// Shows reports whether an answer shows the content of one disk: answers of other levels wait for other members, and a
// quorum read may be overtaken.
func (c *Call) Shows(resp *node.Response) bool {
	if c.Write != NoWrite {
		return c.Acknowledged(resp) && resp.Level == node.Eventual
	}
	return (succeeded(resp) || resp.Code == node.CodePrecondition) && c.Request.Level == node.Eventual
}

// ShowsAt reports whether a path shows a value at a replica, pending persists included; known is false when it cannot
// be read.
func (r *Replica) ShowsAt(path string) (live, known bool) {
	encoded, found := []byte(nil), false
	key, queued := schema.PrefixRecord+path, r.Queued()
	for i := len(queued) - 1; i >= 0 && !found; i-- {
		changes := queued[i].Changes
		for k := len(changes) - 1; k >= 0 && !found; k-- {
			if changes[k].Key == key {
				encoded, found = changes[k].Value, true
			}
		}
	}
	if !found {
		b, _, err := r.Store().Get(key)
		if err != nil {
			return false, false
		}
		encoded = b
	}
	if encoded == nil {
		return false, true
	}
	if err := r.scratch.Decode(path, encoded); err != nil || r.Electorate == nil {
		return false, false
	}
	shown := r.Electorate.Visible(&r.scratch)
	return shown.Live(), true
}
