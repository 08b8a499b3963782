package node

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"kvs/node/swim"
)

// The way back when a majority of the voters is lost for ever. No rule of the protocol can bring their agreement back, so a person
// decides: on a member that is stopped, a configuration is written whose voters are survivors. It begins a founding of its own,
// which names the foundings that it takes the place of (Config.Former). A member of one of those adopts it, whatever its own epoch
// is; two recoveries of one founding name the same former ones and not each other, so members of the two refuse each other, and say so.
// Epochs of a recovery are above all that the founding before can have reached, and drawn, so that those of rivals differ.
//
// What it costs: a linearizable write that none of the chosen voters has is lost, though another survivor may have it, and one that was
// refused or whose outcome was unknown may turn out to have been made. So all survivors should be chosen. Eventual data is what the
// survivors hold, as ever.
//
// What one of the chosen voters has is kept. There is no majority of before to rely on, so each of them has to fetch what all of them
// hold, in both halves of every slot, before it takes part in rounds and quorum operations: the first of the new epoch would put what it
// sees above everything that was accepted before. A chosen voter that is lost as well stands against that, until the voters are replaced
// once more without it. One that has fetched everything stands for all: the others need no more than what it holds.

const (
	recoveryEpochShift = 40 // the bits above count recoveries,
	recoveryDrawShift  = 20 // the 20 bits above this are drawn, and those below count changes of voters.
	foundingsMax       = 16 // recoveries of one cluster.
	recoveryDrawMask   = 1<<20 - 1
)

// Recovery is what a store says about the configuration, for the person who has to decide.
type Recovery struct {
	ID       ID
	Cluster  string
	Config   *Config       // nil: this member knows none.
	CaughtUp uint64        // the last epoch with which this voter had caught up.
	Clock    Timestamp     // above every timestamp that this member issued or took over.
	Keys     int           // records, tombstones included.
	Members  []swim.Member // its address book: the others, and who is gone.
}

// InspectRecovery reads the store of a member that does not run. Errors: there is no member in it, or it cannot be read.
func InspectRecovery(store Reader) (*Recovery, error) {
	n := &Node{store: store, tuning: DefaultTuning()}
	identity, err := n.readMeta(keyIdentity)
	if err != nil {
		return nil, err
	}
	boot, err := n.readMeta(keyBoot)
	if err != nil {
		return nil, err
	}
	if identity == nil || boot == nil {
		return nil, errors.New("there is no member in it: this node has never run")
	}
	r := &Recovery{ID: ID(identity.u64())}
	identity.u64()
	r.Cluster = string(identity.take(int(identity.u16())))
	boot.u64()
	r.Clock = Timestamp(boot.u64())
	if identity.end() != nil || boot.end() != nil {
		return nil, fmt.Errorf("read identity: impossible content: %w", ErrCorrupt)
	}
	if err := n.recoverConfig(); err != nil {
		return nil, err
	}
	r.Config, r.CaughtUp = n.config, n.passed
	if r.Members, err = n.recoverBook(); err != nil {
		return nil, err
	}
	return r, store.Scan(prefixRecord, prefixRecord, func(key string, value []byte) bool {
		if slot, err := DecodeSlot(key[len(prefixRecord):], value); err != nil || slot.Exists() { // mere promises are no data.
			r.Keys++
		}
		return true
	})
}

// Recover makes the configuration in which the given survivors are the voters, and what has to be written into this member's store for it
// to be in force. founding is a new random UUID, draw is random. It refuses what cannot work: members that are not known, or
// are gone.
func (r *Recovery) Recover(voters []ID, founding UUID, draw uint32) (*Config, []Op, error) {
	if r.Config == nil {
		return nil, nil, errors.New("this member knows no configuration: its cluster was never founded, or it never heard of it; choose a member that was a voter")
	}
	if len(r.Config.Former) >= foundingsMax {
		return nil, nil, fmt.Errorf("this cluster was recovered %d times, which is the most", len(r.Config.Former))
	}
	voters = slices.Compact(slices.Sorted(slices.Values(voters)))
	if len(voters) == 0 || len(voters) > VotersMax {
		return nil, nil, fmt.Errorf("%d voters: there are 1 to %d", len(voters), VotersMax)
	}
	if !slices.Contains(voters, r.ID) {
		return nil, nil, fmt.Errorf("%s, whose data this is, must be one of the voters: it brings the new configuration to the others", r.ID)
	}
	for _, id := range voters {
		at := slices.IndexFunc(r.Members, func(m swim.Member) bool { return m.ID == id })
		switch {
		case at < 0 && id != r.ID:
			return nil, nil, fmt.Errorf("this member has never heard of %s", id)
		case at >= 0 && r.Members[at].State.Gone():
			return nil, nil, fmt.Errorf("%s left or was removed: it cannot be a voter", id)
		}
	}
	recovered := r.Config.Epoch>>recoveryEpochShift + 1
	c := &Config{
		Epoch:    recovered<<recoveryEpochShift | uint64(draw&recoveryDrawMask)<<recoveryDrawShift,
		Founding: founding, Former: append(slices.Clone(r.Config.Former), r.Config.Founding),
		Strong:   r.Config.Strong,
		Held:     slices.DeleteFunc(slices.Clone(r.Config.Held), func(id ID) bool { return slices.Contains(voters, id) }),
		Previous: voters, Voters: voters, // each catches up with all of them.
	}
	ops := []Op{{Key: keyConfig, Value: encodeMetaConfig(c)}, {Key: recordKey(configPath(r.Config.Epoch))}}
	return c, ops, nil
}

// Needed is how many of the voters have to be there for linearizable operations to go on without a recovery.
func (r *Recovery) Needed() int {
	if r.Config.recovered() && r.CaughtUp < r.Config.Epoch {
		return len(r.Config.Voters)
	}
	return r.Config.Majority()
}

// recovered reports whether c is the very configuration that a recovery wrote: a change of voters counts on from there.
func (c *Config) recovered() bool {
	return len(c.Former) > 0 && c.Epoch&(1<<recoveryDrawShift-1) == 0
}

// sources is how many of the voters before a voter of this configuration has to catch up with.
func (c *Config) sources() int {
	if c.recovered() {
		return len(c.Previous)
	}
	return len(c.Previous)/2 + 1
}

// hasVoice reports whether this member takes part as a voter: after a recovery, once it holds what all chosen voters hold.
func (n *Node) hasVoice() bool {
	return n.config.Votes(n.id) && (n.passed >= n.config.Epoch || !n.config.recovered())
}

// voiceless says why this voter does not take part; empty: it does, or is none.
func (n *Node) voiceless() string {
	if !n.config.Votes(n.id) || n.hasVoice() {
		return ""
	}
	var missing []ID
	for _, id := range n.config.Previous {
		if !slices.Contains(n.catchUp.done, id) {
			missing = append(missing, id)
		}
	}
	return fmt.Sprintf("the voters were replaced by hand, and this one has to fetch what each of them holds first, of which %s are missing: start them; if one of them is lost as well, replace the voters again without it (kvs recover --voters)",
		strings.Join(idStrings(missing), ", "))
}

// sourceWhole takes note that another chosen voter has fetched everything: to go through what it holds from now on is enough.
func (n *Node) sourceWhole(id ID, epoch uint64) {
	u := &n.catchUp
	if u.epoch != epoch || !n.config.recovered() || slices.Contains(u.whole, id) {
		return
	}
	u.whole = insertID(u.whole, id)
	u.done = slices.DeleteFunc(u.done, func(d ID) bool { return d == id }) // what it held before was less.
	if u.peer == id || u.peer == 0 {
		u.peer = 0
		n.nextFormerVoter()
	}
}

// askWhole asks the other chosen voters whether they have fetched everything, when there is none left to go through.
func (n *Node) askWhole() {
	if !n.config.recovered() {
		return
	}
	for _, id := range n.config.Previous {
		if p := n.peer(id); p != nil && !p.dead() {
			n.send(TransportFrame, p.addr, n.configAfter, n.encodeEpoch(msgPassedAsk, n.epoch()))
		}
	}
}

// succeeds reports whether c came out of a recovery of other's founding.
func (c *Config) succeeds(other *Config) bool { return slices.Contains(c.Former, other.Founding) }

// warnRecovered reminds at each start of what was done.
func (n *Node) warnRecovered() {
	if n.config != nil && len(n.config.Former) > 0 {
		n.log(LogWarn, "the voters of this cluster were replaced by hand: linearizable writes acknowledged before may be lost, those that none of the chosen voters had",
			"recoveries", len(n.config.Former), "epoch", n.config.Epoch, "voters", idStrings(n.config.Voters))
	}
}
