package node

import (
	"errors"
	"fmt"
	"slices"

	"kvs/node/swim"
)

// The way back when a majority of the voters is lost for ever. No rule of the protocol can bring their agreement back, so a person
// decides: on a member that is stopped, a configuration is written whose voters are survivors. It begins a founding of its own,
// which names the foundings that it takes the place of (Config.Former). A member of one of those adopts it, whatever its own epoch
// is; two recoveries of one founding name the same former ones and not each other, so members of the two refuse each other, and say so.
// Epochs of a recovery are above all that the founding before can have reached, and drawn, so that those of rivals differ.
//
// What it costs: a linearizable write that was acknowledged by lost voters alone is lost, and one that was refused or whose outcome was
// unknown may turn out to have been made. Eventual data is what the survivors hold, as ever.

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
	return r, store.Scan(prefixRecord, prefixRecord, func(string, []byte) bool {
		r.Keys++
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
		Previous: voters, Voters: voters, // with several survivors, each catches up with a majority of them.
	}
	ops := []Op{{Key: keyConfig, Value: encodeMetaConfig(c)}, {Key: recordKey(configPath(r.Config.Epoch))}}
	return c, ops, nil
}

// succeeds reports whether c came out of a recovery of other's founding.
func (c *Config) succeeds(other *Config) bool { return slices.Contains(c.Former, other.Founding) }

// warnRecovered reminds at each start of what was done.
func (n *Node) warnRecovered() {
	if n.config != nil && len(n.config.Former) > 0 {
		n.log(LogWarn, "the voters of this cluster were replaced by hand: linearizable writes acknowledged before may be lost",
			"recoveries", len(n.config.Former), "epoch", n.config.Epoch, "voters", idStrings(n.config.Voters))
	}
}
