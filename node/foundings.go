package node

import "time"

// Two foundings of one name never mix: neither their rounds nor their data, nor their tables of members. Each envelope says of which founding
// its sender is, and members of different ones take nothing from each other. There are two exceptions:
//
//   - A node that has no configuration yet belongs to no founding: it takes everything, and everybody takes what it sends.
//   - Members that knew each other before go on seeing each other, and tell each other their configurations: after a recovery by hand
//     (recovery.go) those of the former founding adopt the one that names it. If neither does, both say what is wrong.
type foreigners struct {
	sayAt time.Duration // not before it is the next line logged about strangers.
}

const (
	foreignAskInterval = foundingInterval // between questions to a member of another founding for its configuration.
	foreignSayInterval = time.Minute
)

// Related reports whether two configurations are of one cluster: of the same founding, or one of a recovery of the other's. Whoever has none is
// related to everybody.
func (c *Config) Related(other *Config) bool {
	return c == nil || other == nil || c.Founding == other.Founding || c.succeeds(other) || other.succeeds(c)
}

// tag stands for a founding in envelopes; zero for none. c may be nil.
func (c *Config) tag() uint32 {
	if c == nil {
		return 0
	}
	h := uint32(2166136261)
	for _, b := range c.Founding {
		h = (h ^ uint32(b)) * 16777619
	}
	return max(h, 1)
}

// foreign reports whether a message must not be taken, because its sender is of another founding.
func (n *Node) foreign(kind msgKind, from ID, envelope []byte) bool {
	theirs := envelopeFounding(envelope)
	if theirs == 0 || n.founded == 0 || theirs == n.founded {
		return false
	}
	p := n.peer(from)
	if p == nil {
		n.counters.OtherFounding++
		if n.now.Mono >= n.foreigners.sayAt {
			n.foreigners.sayAt = n.now.Mono + foreignSayInterval
			n.log(LogError, "another cluster of the same name calls this one, and gets no answer: give one of them another name, or take its addresses out of the seeds of the other; to make one cluster of the two, start the nodes of one of them with empty data folders", "from", from.String())
		}
		return true
	}
	switch kind {
	case msgGossip, msgMemberTable, msgConfigAsk, msgConfigIs:
		if kind == msgGossip && n.now.Mono >= p.relateAt {
			p.relateAt = n.now.Mono + foreignAskInterval
			n.send(TransportFrame, p.addr, 0, n.encodeConfigAsk())
		}
		return false
	}
	return true
}
