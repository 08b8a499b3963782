package node

import (
	"fmt"
	"slices"
	"time"
)

// Config says who decides: the voters of one epoch. Two configurations of one founding never have the same epoch. It is a
// value: it never changes.
type Config struct {
	Epoch    uint64   // 1 at the founding, one more with each change.
	Founding UUID     // names the cluster's beginning: configurations of different foundings never mix.
	Former   []UUID   // foundings that this one took the place of, the first one first: see recovery.go.
	Previous []ID     // the voters of the epoch before, sorted; empty in the first.
	Voters   []ID     // sorted.
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

// founding is how a cluster comes by its first configuration.
//
// One member founds: the one whose address is the lowest of those in its own configuration (seeds and itself). It waits until
// as many members as are expected, itself included, have answered that they have no configuration either, and makes them
// the voters of epoch 1. Asking all, not a majority, is on purpose: a founder that lost its disk right after founding would
// otherwise found a second cluster with those that had not heard of the first.
type founding struct {
	next time.Duration // when those without a configuration ask again.
	none []ID          // members that answered that they have none, sorted; only the founder keeps it.
}

const foundingInterval = 500 * time.Millisecond

// tickConfig looks for a configuration while there is none.
func (n *Node) tickConfig() {
	f := &n.founding
	if n.config != nil || n.now.Mono < f.next {
		return
	}
	f.next = n.now.Mono + foundingInterval
	n.found()
	if n.config != nil {
		return
	}
	for _, p := range n.peers {
		n.askConfig(p)
	}
}

// askConfig asks a member for the configuration while there is none here: when it is met, and again in every interval.
func (n *Node) askConfig(p *peer) {
	if n.config == nil && !p.dead() {
		n.send(TransportFrame, p.addr, 0, n.encodeConfigAsk())
	}
}

// founds reports whether this member is the one to found the cluster.
func (n *Node) founds() bool {
	for _, s := range n.opts.Seeds {
		if s < n.addr {
			return false
		}
	}
	return true
}

// found makes the first configuration once all that are expected have none.
func (n *Node) found() {
	if !n.founds() {
		return
	}
	voters := []ID{n.id}
	for _, id := range n.founding.none {
		if p := n.peer(id); p != nil && !p.dead() {
			voters = insertID(voters, id)
		}
	}
	if len(voters) < n.opts.ExpectedMembers || len(voters) > VotersMax {
		return
	}
	n.log(LogInfo, "cluster founded", "voters", idStrings(voters))
	n.adopt(&Config{Epoch: 1, Founding: n.newUUID(), Voters: voters, Strong: n.opts.StrongPrefixes})
	n.announce()
}

// adopt puts a configuration in force. It is durable before anything is said that rests on it.
func (n *Node) adopt(c *Config) {
	if former := n.config; former != nil && former.Founding != c.Founding { // decided by hand, above all of its rounds.
		n.ops = append(n.ops, Op{Key: recordKey(configPath(former.Epoch))})
	}
	n.config, n.founded = c, c.tag()
	n.ops = append(n.ops, Op{Key: keyConfig, Value: encodeMetaConfig(c)})
	n.configAfter = n.nextPersist()
	n.founding = founding{}
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
	case c == nil:
		if n.config == nil {
			n.founding.none = insertID(n.founding.none, from.id)
			n.found()
		}
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

// unfounded says why there is no configuration yet.
func (n *Node) unfounded() string {
	if len(n.roster) >= n.opts.ExpectedMembers {
		return fmt.Sprintf("the cluster is not founded yet: all %d expected members are known, and agree on it now; try again in a moment", n.opts.ExpectedMembers)
	}
	return fmt.Sprintf("the cluster is not founded yet: all %d expected members have to be up once, %d are known here; start them, or set expected_members",
		n.opts.ExpectedMembers, len(n.roster))
}
