package node

import "slices"

// Config says who decides: the voters of one epoch. Two configurations of one founding never have the same epoch. It is a
// value: it never changes.
type Config struct {
	Epoch    uint64   // 1 at the founding, one more with each change.
	Founding UUID     // names the cluster's beginning: configurations of different foundings never mix.
	Former   []UUID   // foundings that this one took the place of, the first one first: see recovery.go.
	Previous []ID     // the voters of the epoch before, sorted; empty in the first.
	Voters   []ID     // sorted.
	Held     []ID     // members that somebody demoted: they do not promote themselves; sorted.
	Strong   []string // prefixes of paths whose writes are linearizable, sorted: see policy.go.
}

// VotersMax bounds a configuration.
const VotersMax = 31

// Majority is how many voters are enough.
func (c *Config) Majority() int { return len(c.Voters)/2 + 1 }

// Votes reports whether a member is a voter. c may be nil.
func (c *Config) Votes(id ID) bool {
	if c == nil {
		return false
	}
	_, found := slices.BinarySearch(c.Voters, id)
	return found
}

// epoch is that of the configuration in force; zero: there is none yet.
func (n *Node) epoch() uint64 {
	if n.config == nil {
		return 0
	}
	return n.config.Epoch
}

// adopt puts a configuration in force. It is durable before anything is said that rests on it.
func (n *Node) adopt(c *Config) {
	if former := n.config; former != nil && former.Founding != c.Founding { // decided by hand, above all of its rounds.
		n.ops = append(n.ops, Op{Key: recordKey(configPath(former.Epoch))})
	}
	n.config, n.founded = c, c.tag()
	n.ops = append(n.ops, Op{Key: keyConfig, Value: encodeMetaConfig(c)})
	n.configAfter = n.nextPersist()
	n.endFounding()
	n.ops = append(n.ops, Op{Key: recordKey(configPath(c.Epoch - 1))}) // decided: no round of that epoch gets anything any more.
	n.log(LogInfo, "configuration adopted", "epoch", c.Epoch, "voters", idStrings(c.Voters))
	n.warnPolicy()
	n.startCatchUp()
	n.restartRegister()
	n.restartQuorum()
}

// announce tells all members the configuration in force, without waiting for their questions.
func (n *Node) announce() {
	for _, p := range n.peers {
		if !p.dead() {
			n.sendConfig(p)
		}
	}
}

func (n *Node) sendConfig(p *peer) {
	n.send(TransportFrame, p.addr, n.configAfter, n.encodeConfigIs(n.config))
}

// handleConfigAsk tells a member the configuration in force, or that there is none.
func (n *Node) handleConfigAsk(from *peer, body []byte) error {
	if err := decodeConfigAsk(body); err != nil {
		return err
	}
	n.sendConfig(from)
	return nil
}

// handleConfigIs learns a configuration from a member that adopted it: only such ones are told.
func (n *Node) handleConfigIs(from *peer, body []byte) error {
	c, err := decodeConfigIs(body)
	switch {
	case err != nil:
		return err
	case c == nil: // it has none either: see founding.go.
	case n.config != nil && c.succeeds(n.config) && c.Epoch > n.epoch():
		n.adopt(c)
		n.warnRecovered()
	case n.config != nil && n.config.succeeds(c):
		n.sendConfig(from)
	case n.config != nil && n.config.Founding != c.Founding:
		n.counters.OtherFounding++
		n.log(LogError, "a member belongs to another founding of the cluster, with which nothing is exchanged: remove the data folder of the members of one of them, to let them join the other",
			"peer", from.id.String(), "epoch", c.Epoch, "own_epoch", n.config.Epoch)
	case c.Epoch > n.epoch():
		n.adopt(c)
	}
	return nil
}

// epochAgrees compares the epoch of a message with the one in force, and sees to it that who is behind learns.
func (n *Node) epochAgrees(from *peer, epoch uint64) bool {
	switch mine := n.epoch(); {
	case epoch == mine && mine != 0:
		return true
	case epoch > mine:
		n.send(TransportFrame, from.addr, 0, n.encodeConfigAsk())
	case mine != 0:
		n.sendConfig(from)
	}
	return false
}

func idStrings(ids []ID) []string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = id.String()
	}
	return out
}
