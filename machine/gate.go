package machine

import "fmt"

// Waiter is an answer to a client that a Gate holds back, beside sends.
type Waiter interface {
	// WaitsFor is the last persist that must be durable before the answer may leave; zero: none.
	WaitsFor() PersistID
}

// Gate holds back sends and replies until the persist they wait for is durable. Both worlds use it, so that "persist,
// then speak" is implemented once. It is not safe for concurrent use. The zero value is the gate of a run in which
// nothing is durable yet.
//
// A send or reply that waits for no persist passes at once, also past older ones that wait: a heartbeat does not queue
// behind an fsync.
type Gate[R Waiter] struct {
	durable PersistID
	sends   []Send
	replies []R
}

// Pass returns what may go out now, filtered in place; the rest is kept.
func (g *Gate[R]) Pass(sends []Send, replies []R) ([]Send, []R) {
	out := sends[:0]
	for i := range sends {
		if sends[i].After <= g.durable {
			out = append(out, sends[i])
		} else {
			g.sends = append(g.sends, sends[i])
		}
	}
	rep := replies[:0]
	for i := range replies {
		if replies[i].WaitsFor() <= g.durable {
			rep = append(rep, replies[i])
		} else {
			g.replies = append(g.replies, replies[i])
		}
	}
	return out, rep
}

// Durable records that all persists up to upTo are on disk, and appends the sends and replies that this releases.
func (g *Gate[R]) Durable(upTo PersistID, sends []Send, replies []R) ([]Send, []R) {
	if upTo < g.durable {
		panic(fmt.Sprintf("machine: durable persists went backwards, from %d to %d", g.durable, upTo))
	}
	g.durable = upTo
	kept := g.sends[:0]
	for i := range g.sends {
		if g.sends[i].After <= upTo {
			sends = append(sends, g.sends[i])
		} else {
			kept = append(kept, g.sends[i])
		}
	}
	clear(g.sends[len(kept):])
	g.sends = kept
	keptReplies := g.replies[:0]
	for i := range g.replies {
		if g.replies[i].WaitsFor() <= upTo {
			replies = append(replies, g.replies[i])
		} else {
			keptReplies = append(keptReplies, g.replies[i])
		}
	}
	clear(g.replies[len(keptReplies):])
	g.replies = keptReplies
	return sends, replies
}

// Fail drops the waiting sends, and appends the waiting replies to the given ones: the disk failed, and the persists
// that they waited for may or may not survive. The caller turns them into unknown outcomes.
func (g *Gate[R]) Fail(replies []R) []R {
	replies = append(replies, g.replies...)
	g.sends, g.replies = nil, nil
	return replies
}

// Sends are those held back, in their order. They are only lent.
func (g *Gate[R]) Sends() []Send { return g.sends }

// Waiting is the number of sends and replies held back.
func (g *Gate[R]) Waiting() int { return len(g.sends) + len(g.replies) }
