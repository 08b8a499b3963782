package node

import (
	"fmt"
	"slices"
	"time"
)

// How the voters change: one at a time, each change a new epoch.
//
// What the next configuration is gets decided by the voters of the epoch that it ends, in a register of its own (configPath)
// that is written once: whoever finds it written adopts what it says, and its own change has lost. A configuration is put in
// force only when it is known to be chosen: by the member that saw its round through, and by whoever learns it from a member
// that did. The next change has to wait until the epoch is stable: a majority of its voters has caught up (catchup.go). Raft's
// single-server changes are the model (Ongaro, "Consensus: Bridging Theory and Practice", 2014, section 4.1), without a leader.
type voterChange struct {
	request *Request // nil: this member promotes itself, or demotes one that is gone.
	add     ID       // zero: none.
	remove  ID
	hold    bool     // who is removed stays so until somebody promotes it.
	policy  bool     // not the voters change but the strong prefixes,
	strong  []string // to these.
	adopted []ID     // of a change of policy: members that have it on disk, sorted.
	epoch   uint64   // that it ends.
	passed  []ID     // voters that have caught up with it, sorted.
	begun   bool     // the round is under way.
	settles bool     // the change is in force, and only its own epoch has to become stable: then nothing rests on the former voters.
	retryAt time.Duration
	giveUp  time.Duration
}

const (
	voterChangeTimeout  = 10 * time.Second
	voterAskInterval    = 500 * time.Millisecond
	promotionInterval   = 2 * time.Second // between attempts of a member to become a voter.
	epochTellInterval   = 5 * time.Second // between tellings of the epoch to a member drawn at random.
	configPathPrefix    = "\x00config/"   // no client can name such a path.
	keyConfigVotePrefix = prefixMeta + "vote/"
)

// configPath names the register in which the voters of an epoch decide on the next configuration.
func configPath(epoch uint64) string { return fmt.Sprintf("%s%d", configPathPrefix, epoch) }

func isConfigPath(path string) bool { return len(path) > 0 && path[0] == 0 }

// voterRequest serves OpPromote and OpDemote, whose path is a member's ID.
func (n *Node) voterRequest(r *Request) {
	id, err := ParseID(r.Path)
	_, member := n.rosterIndex(id)
	switch {
	case err != nil:
		n.refuse(r, CodePrecondition, err.Error())
	case n.config == nil:
		n.refuse(r, CodeNoQuorum, n.unfounded())
	case !member && !n.config.Votes(id) && !(r.Op == OpDemote && n.wasDemoted(id)):
		n.refuse(r, CodePrecondition, "there is no member "+id.String())
	case n.config.Votes(id) == (r.Op == OpPromote) && !(r.Op == OpDemote && r.Hold && member && !slices.Contains(n.config.Held, id)):
		n.reply(n.configAfter, Response{ID: r.ID, Code: CodeOK, Level: Linearizable, Detail: "nothing to do"})
	case r.Op == OpPromote && len(n.config.Voters) >= VotersMax:
		n.refuse(r, CodePrecondition, fmt.Sprintf("there are %d voters already, which is the most: demote one first", VotersMax))
	case r.Op == OpDemote && len(n.config.Voters) == 1 && n.config.Votes(id):
		n.refuse(r, CodePrecondition, "it is the only voter: promote another member first")
	case n.change != nil:
		n.refuse(r, CodeConflict, "this member has a change of voters under way: try again")
	default:
		c := &voterChange{request: r, giveUp: n.changeDeadline(r)}
		if r.Op == OpPromote {
			c.add = id
		} else {
			c.remove, c.hold = id, r.Hold
		}
		n.beginChange(c)
	}
}

// wasDemoted says whether this is a voter of the epoch before, or one that is held: whoever demotes it is trying again.
func (n *Node) wasDemoted(id ID) bool {
	return slices.Contains(n.config.Previous, id) || slices.Contains(n.config.Held, id)
}

// beginChange asks whether the epoch is stable.
func (n *Node) beginChange(c *voterChange) {
	n.change = c
	c.epoch = n.epoch()
	if n.config.Votes(n.id) && n.passed >= c.epoch {
		c.passed = []ID{n.id}
	}
	n.askPassed(c)
	n.advanceChange()
}

func (n *Node) askPassed(c *voterChange) {
	c.retryAt = n.now.Mono + voterAskInterval
	for _, id := range n.config.Voters {
		if p := n.peer(id); p != nil && !p.dead() && !slices.Contains(c.passed, id) {
			n.send(TransportFrame, p.addr, n.configAfter, n.encodeEpoch(msgPassedAsk, c.epoch))
		}
	}
	if c.policy && c.settles {
		n.askAdopted(c)
	}
}

// handlePassedAsk says with which epoch this member has caught up.
func (n *Node) handlePassedAsk(from *peer, body []byte) error {
	epoch, err := decodeEpoch(body)
	if err == nil && n.epochAgrees(from, epoch) && n.passed >= epoch {
		n.send(TransportFrame, from.addr, n.passedAfter, n.encodeEpoch(msgPassedIs, n.passed))
	}
	return err
}

func (n *Node) handlePassedIs(from *peer, body []byte) error {
	epoch, err := decodeEpoch(body)
	if err == nil && epoch == n.epoch() && n.config.Votes(from.id) {
		n.sourceWhole(from.id, epoch)
	}
	if c := n.change; err == nil && c != nil && epoch >= c.epoch && c.epoch == n.epoch() && n.config.Votes(from.id) {
		c.passed = insertID(c.passed, from.id)
		n.advanceChange()
	}
	return err
}

// advanceChange begins the round once the epoch is stable.
func (n *Node) advanceChange() {
	c := n.change
	if c.begun || c.epoch != n.epoch() || len(c.passed) < n.config.Majority() {
		return // a change whose epoch is over ends with the next tick.
	}
	if c.settles {
		if !c.policy || len(n.notAdopted(c, false)) == 0 {
			n.endChange(Response{Code: CodeOK, Detail: n.adoptionNote(c)})
		}
		return
	}
	next := n.config.next(c, n.heldStill())
	r := &Request{Op: OpPut, Level: Linearizable, Path: configPath(c.epoch), Value: appendConfig(nil, next),
		Condition: Condition{Kind: IfNoneMatch, Any: true}, Deadline: c.giveUp}
	c.begun = true
	o := &registerOp{request: r, uuid: n.newUUID(), deadline: c.giveUp}
	n.register.open++
	n.counters.Rounds++
	n.prepare(o)
}

// heldMax bounds the members that are held from voting; beyond it those with the highest IDs are let go.
const heldMax = 256

// heldStill is who of those held from voting is a member yet.
func (n *Node) heldStill() []ID {
	return slices.DeleteFunc(slices.Clone(n.config.Held), func(id ID) bool {
		_, member := n.rosterIndex(id)
		return !member
	})
}

// next is the configuration after c with one voter more or less, or with other strong prefixes. held are those that were held from voting.
func (c *Config) next(change *voterChange, held []ID) *Config {
	out := &Config{Held: held, Epoch: c.Epoch + 1, Founding: c.Founding, Former: c.Former, Previous: slices.Clone(c.Voters), Voters: slices.Clone(c.Voters), Strong: c.Strong}
	if change.policy {
		out.Strong = change.strong
	}
	if change.add != 0 {
		out.Voters = insertID(out.Voters, change.add)
		out.Held = slices.DeleteFunc(out.Held, func(id ID) bool { return id == change.add })
	}
	if change.hold {
		out.Held = insertID(out.Held, change.remove)
		out.Held = out.Held[:min(len(out.Held), heldMax)]
	}
	if i, found := slices.BinarySearch(out.Voters, change.remove); found {
		out.Voters = slices.Delete(out.Voters, i, i+1)
	}
	return out
}

// configDecided ends the round in which the next configuration was decided.
func (n *Node) configDecided(o *registerOp, resp *Response) {
	var chosen *Config
	if resp.Code == CodeCreated || resp.Code == CodePrecondition {
		r := wireReader{b: resp.Record.Value}
		chosen = r.config()
		invariant(r.end() == nil && o.request.Path == configPath(chosen.Epoch-1), "a configuration that cannot be read was chosen", "path", o.request.Path)
		if chosen.Epoch > n.epoch() {
			n.adopt(chosen)
			n.announce()
		}
	}
	c := n.change
	if c == nil || configPath(c.epoch) != o.request.Path {
		return
	}
	switch {
	case chosen != nil && c.doneIn(chosen):
		n.settleChange(chosen)
	case chosen != nil:
		n.endChange(Response{Code: CodeConflict, Outcome: OutcomeNotApplied, Detail: "another change of voters came first: try again", RetryAfter: retryAfter})
	default:
		n.endChange(Response{Code: resp.Code, Outcome: resp.Outcome, Detail: resp.Detail, RetryAfter: retryAfter})
	}
}

// doneIn reports whether a configuration is what the change wants.
func (c *voterChange) doneIn(chosen *Config) bool {
	return (c.add == 0 || chosen.Votes(c.add)) && (c.remove == 0 || !chosen.Votes(c.remove)) && (!c.hold || slices.Contains(chosen.Held, c.remove)) && (!c.policy || slices.Equal(chosen.Strong, c.strong))
}

// settleChange answers a client once it may go on: to stop a former voter, or with the next change.
func (n *Node) settleChange(chosen *Config) {
	c := n.change
	if c.request == nil || n.config != chosen {
		n.endChange(Response{Code: CodeOK})
		return
	}
	c.epoch, c.passed, c.begun, c.settles = chosen.Epoch, nil, false, true
	n.askPassed(c)
}

func (n *Node) endChange(resp Response) {
	c := n.change
	n.change = nil
	if c.request != nil {
		resp.ID, resp.Level = c.request.ID, Linearizable
		n.reply(n.configAfter, resp)
	}
}

// tickVoters runs the timers of changes: the wait for stability, a member's own promotion, and the telling of the epoch.
func (n *Node) tickVoters() {
	if c := n.change; c != nil && !c.begun {
		if n.config.Votes(n.id) && n.passed >= c.epoch && !slices.Contains(c.passed, n.id) {
			c.passed = insertID(c.passed, n.id)
			n.advanceChange()
		}
	}
	if c := n.change; c != nil && !c.begun {
		switch {
		case c.settles && c.policy && (n.now.Mono >= c.giveUp || c.epoch != n.epoch()):
			n.endChange(Response{Code: CodeOK, Detail: n.adoptionNote(c)})
		case c.settles && (n.now.Mono >= c.giveUp || c.epoch != n.epoch()):
			n.endChange(Response{Code: CodeOK, Detail: "the change is in force, but the voters have not caught up yet: do not stop a former voter before `kvs status` shows that they have"})
		case n.now.Mono >= c.giveUp || c.epoch != n.epoch():
			n.endChange(Response{Code: CodeConflict, Outcome: OutcomeNotApplied, RetryAfter: retryAfter,
				Detail: fmt.Sprintf("a former change of voters is not finished: %d voters have caught up with epoch %d, %d are needed: try again", len(c.passed), c.epoch, n.config.Majority())})
		case n.now.Mono >= c.retryAt:
			n.askPassed(c)
			n.advanceChange() // who was waited for may be dead by now.
		}
	}
	if n.config == nil {
		return
	}
	if n.now.Mono >= n.epochTellAt {
		n.epochTellAt = n.now.Mono + epochTellInterval
		if len(n.peers) > 0 {
			if p := n.peers[n.rng.IntN(len(n.peers))]; !p.dead() {
				n.send(TransportFrame, p.addr, n.configAfter, n.encodeEpoch(msgEpoch, n.epoch()))
			}
		}
	}
	if n.now.Mono >= n.promoteAt {
		n.promoteAt = n.now.Mono + promotionInterval + time.Duration(n.rng.Int64N(int64(promotionInterval)))
		_, held := slices.BinarySearch(n.config.Held, n.id)
		if n.change == nil && !held && !n.config.Votes(n.id) && n.mode() == ModeNormal && len(n.config.Voters) < VotersMax && n.votersAlive() >= n.config.Majority() {
			n.log(LogDebug, "asking to become a voter", "epoch", n.epoch())
			n.beginChange(&voterChange{add: n.id, giveUp: n.now.Mono + voterChangeTimeout})
		}
		n.demoteTheGone()
	}
}

// demoteTheGone takes out of the configuration who left or was removed: nobody else would, and it answers no more. One of the
// voters does it, when a majority of them is there; as with all changes, whoever is first wins.
func (n *Node) demoteTheGone() {
	if n.change != nil || n.gone() || !n.config.Votes(n.id) || len(n.config.Voters) == 1 || n.votersAlive() < n.config.Majority() {
		return
	}
	for _, id := range n.config.Voters {
		if m, known := n.swim.Lookup(id); known && m.State.Gone() {
			n.log(LogInfo, "a voter is a member no more: the others go on without it", "voter", id.String(), "epoch", n.epoch())
			n.beginChange(&voterChange{remove: id, giveUp: n.now.Mono + voterChangeTimeout})
			return
		}
	}
}

// votersDue is the time of the next of these timers.
func (n *Node) votersDue() time.Duration {
	if n.config == nil {
		return n.founding.next
	}
	at := n.epochTellAt
	if !n.config.Votes(n.id) {
		at = min(at, n.promoteAt)
	}
	if c := n.change; c != nil && !c.begun {
		at = min(at, c.retryAt, c.giveUp)
	}
	return at
}

// handleEpoch compares epochs with a member: who is behind learns.
func (n *Node) handleEpoch(from *peer, body []byte) error {
	epoch, err := decodeEpoch(body)
	if err == nil {
		n.epochAgrees(from, epoch)
	}
	return err
}
