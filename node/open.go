package node

import (
	"maps"
	"slices"
	"time"
)

// OpenOperation is an operation of a client, or of the node itself, that waits for something.
type OpenOperation struct {
	Request uint64 // Request.ID; zero: nobody waits for an answer.
	Op      OpKind
	Level   Level // Quorum or Linearizable: eventual operations wait for nobody.
	Path    string
	Waits   string        // for what, in words.
	Members []ID          // whose answers are missing, sorted; some of them may do. None: it waits for something else.
	Disk    bool          // this member's own disk is one of them.
	Since   time.Duration // monotonic; when the exchange under way began. Zero: not known.
}

var phaseWords = [...]string{
	phaseLook: "a look at what voters hold", phasePrepare: "promises", phaseAccept: "acceptances",
	phasePause: "the end of a back-off", phaseQueued: "another operation of this member on the path", phaseDone: "nothing",
}

// OpenOperations lists what is under way, in the order in which it began, for people who ask what holds things up. It is as large as that:
// ask rarely.
func (n *Node) OpenOperations() []OpenOperation {
	var out []OpenOperation
	for _, o := range n.register.ops {
		if o.phase != phaseDone {
			out = append(out, n.openRegister(o))
		}
	}
	for _, path := range slices.Sorted(maps.Keys(n.register.turns)) {
		for _, o := range n.register.turns[path].waiting {
			out = append(out, n.openRegister(o))
		}
	}
	for _, o := range n.quorum.ops {
		if !o.answered {
			out = append(out, n.openQuorum(o))
		}
	}
	if c := n.change; c != nil && !c.begun {
		out = append(out, n.openChange(c))
	}
	return out
}

// openChange is a change of voters or policy whose round has not begun, or that waits for what it made to be stable.
func (n *Node) openChange(c *voterChange) OpenOperation {
	open := OpenOperation{Op: OpPolicy, Level: Linearizable, Waits: "voters to catch up with the configuration"}
	switch {
	case c.add != 0:
		open.Op, open.Path = OpPromote, c.add.String()
	case c.remove != 0:
		open.Op, open.Path = OpDemote, c.remove.String()
	}
	if c.request != nil {
		open.Request = c.request.ID
	}
	if n.config != nil {
		for _, id := range n.config.Voters {
			if !slices.Contains(c.passed, id) {
				open.Members = append(open.Members, id)
			}
		}
	}
	return open
}

func (n *Node) openRegister(o *registerOp) OpenOperation {
	open := OpenOperation{Op: o.request.Op, Level: Linearizable, Path: o.request.Path, Waits: phaseWords[o.phase], Disk: max(o.local, o.after) > n.durable, Since: o.began}
	if !o.internal {
		open.Request = o.request.ID
	}
	if n.config == nil || o.phase > phaseAccept {
		return open
	}
	for _, voter := range n.config.Voters {
		answered := slices.Contains(o.oks, voter) || slices.Contains(o.against, voter)
		for i := range o.answers {
			answered = answered || o.answers[i].voter == voter
		}
		if !answered && voter != n.id {
			open.Members = append(open.Members, voter)
		}
	}
	return open
}

func (n *Node) openQuorum(o *quorumOp) OpenOperation {
	open := OpenOperation{Request: o.request.ID, Op: o.request.Op, Level: Quorum, Path: o.request.Path, Waits: "copies", Disk: o.local > n.durable}
	if o.fetching {
		open.Waits = "what members hold"
	}
	for _, p := range n.peers {
		if !slices.Contains(o.done, p.id) && n.config.Votes(p.id) {
			open.Members = append(open.Members, p.id)
		}
	}
	return open
}
