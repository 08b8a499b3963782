package node

// Gate holds back sends and replies until the persist they wait for is durable. Both worlds use it, so that "persist, then
// speak" is one piece of code. It is not safe for concurrent use.
//
// Things that wait for nothing pass at once, also past older ones that wait: a heartbeat does not queue behind an fsync.
type Gate struct {
	durable PersistID
	sends   []Send
	replies []Reply
}

// Pass filters eff in place: what may go out now stays in it, the rest is kept.
func (g *Gate) Pass(eff *Effects) {
	out := eff.Sends[:0]
	for _, s := range eff.Sends {
		if s.After <= g.durable {
			out = append(out, s)
		} else {
			g.sends = append(g.sends, s)
		}
	}
	eff.Sends = out
	rep := eff.Replies[:0]
	for _, r := range eff.Replies {
		if r.After <= g.durable {
			rep = append(rep, r)
		} else {
			g.replies = append(g.replies, r)
		}
	}
	eff.Replies = rep
}

// Durable says that all persists up to upTo are on disk, and appends what that lets go to eff.
func (g *Gate) Durable(upTo PersistID, eff *Effects) {
	if upTo < g.durable {
		invariant(false, "durable persists went backwards", "from", g.durable, "to", upTo)
	}
	g.durable = upTo
	kept := g.sends[:0]
	for _, s := range g.sends {
		if s.After <= upTo {
			eff.Sends = append(eff.Sends, s)
		} else {
			kept = append(kept, s)
		}
	}
	clear(g.sends[len(kept):])
	g.sends = kept
	keptReplies := g.replies[:0]
	for _, r := range g.replies {
		if r.After <= upTo {
			eff.Replies = append(eff.Replies, r)
		} else {
			keptReplies = append(keptReplies, r)
		}
	}
	clear(g.replies[len(keptReplies):])
	g.replies = keptReplies
}

// Fail drops the waiting sends and turns the waiting replies into unknown outcomes, appended to eff: the disk broke its
// promise, and what waited for it may or may not survive.
func (g *Gate) Fail(detail string, eff *Effects) {
	g.sends = nil
	for _, r := range g.replies {
		r.After = 0
		r.Code, r.Outcome, r.Detail = CodeFailed, OutcomeUnknown, detail
		r.Record = Record{}
		eff.Replies = append(eff.Replies, r)
	}
	g.replies = nil
}

// Waiting is the number of sends and replies held back.
func (g *Gate) Waiting() int { return len(g.sends) + len(g.replies) }
