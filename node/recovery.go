package node

import (
	"errors"
	"fmt"
	"slices"

	"kvs/node/codec"
	"kvs/node/configuration"
	"kvs/node/contract"
	"kvs/node/membership"
	"kvs/node/schema"
	"kvs/node/slot"
	"kvs/node/step"
	"kvs/node/swim"
	"kvs/node/voting"
)

// Recovery when a majority of the voters is lost for ever. No rule of the protocol can restore their agreement, so an
// operator decides: on a stopped member, a configuration is written whose voters are survivors. It begins a new
// founding, which names the foundings that it replaces (Config.Former). A member of one of those adopts it, whatever
// its own epoch is. Two recoveries of one founding name the same former foundings and not each other, so members of the
// two refuse each other, and log that. Epochs of a recovery are above all that the former founding can have reached,
// and drawn at random, so that rival recoveries differ.
//
// The cost: a linearizable write that none of the chosen voters has is lost, even if another survivor has it; and a
// write that was refused or whose outcome was unknown may turn out to have been made. So all survivors should be
// chosen. Eventual data is what the survivors hold, as always.
//
// Data of every chosen voter is kept. There is no former majority to rely on, so each chosen voter has to fetch what
// all of them hold, in both halves of every slot, before it takes part in rounds and quorum operations: otherwise the
// first round of the new epoch could put what it sees above values that were accepted before. If a chosen voter is lost
// as well, the others wait until the voters are replaced once more without it. A voter that has fetched everything is
// enough for the others: they need only its data.

const (
	recoveryEpochShift = 40 // the bits above count recoveries,
	recoveryDrawMask   = 1<<20 - 1
)

// Recovery is the configuration and membership in a store, for the operator who has to decide.
type Recovery struct {
	ID       slot.ID
	Cluster  string
	Config   *voting.Config // nil: this member knows none.
	CaughtUp uint64         // the last epoch with which this voter had caught up.
	Clock    slot.Timestamp // above every timestamp that this member issued or took over.
	Keys     int            // records, tombstones included.
	Members  []swim.Member  // its address book: the others, and those that are gone.
}

// InspectRecovery reads the store of a member that does not run. Errors: there is no member in it, or it cannot be
// read.
func InspectRecovery(store contract.Reader) (*Recovery, error) {
	n := &Node{Shared: step.Shared{Store: store, Tuning: contract.DefaultTuning()}}
	identity, err := n.ReadMeta(schema.KeyIdentity)
	if err != nil {
		return nil, err
	}
	boot, err := n.ReadMeta(schema.KeyBoot)
	if err != nil {
		return nil, err
	}
	if identity == nil || boot == nil {
		return nil, errors.New("there is no member in it: this node has never run")
	}
	r := &Recovery{ID: slot.ID(identity.U64())}
	identity.U64()
	r.Cluster = string(identity.Take(int(identity.U16())))
	boot.U64()
	r.Clock = slot.Timestamp(boot.U64())
	if identity.End() != nil || boot.End() != nil {
		return nil, fmt.Errorf("read identity: impossible content: %w", codec.ErrCorrupt)
	}
	if r.Config, err = voting.Stored(store); err != nil {
		return nil, err
	}
	if r.Config != nil {
		if r.CaughtUp, err = configuration.StoredPassed(&n.Shared); err != nil {
			return nil, err
		}
	}
	if r.Members, err = membership.StoredBook(store, n.Tuning.MembersBytesMax); err != nil {
		return nil, err
	}
	return r, store.Scan(schema.PrefixRecord, schema.PrefixRecord, func(key string, value []byte) bool {
		if slot, err := slot.Decode(key[len(schema.PrefixRecord):], value); err != nil || slot.Exists() {
			// a mere promise is no data.
			r.Keys++
		}
		return true
	})
}

// Recover makes the configuration in which the given survivors are the voters, and what has to be written into this
// member's store for it to be in force. founding is a new random UUID, draw is random. It refuses what cannot work:
// members that are not known, or are gone.
func (r *Recovery) Recover(voters []slot.ID, founding slot.UUID, draw uint32) (*voting.Config, []contract.Change,
	error) {
	if r.Config == nil {
		return nil, nil, errors.New("this member knows no configuration: its cluster was never founded, or it never " +
			"heard of it; choose a member that was a voter")
	}
	if len(r.Config.Former) >= voting.FoundingsMax {
		return nil, nil, fmt.Errorf("this cluster was recovered %d times, which is the most", len(r.Config.Former))
	}
	voters = slices.Compact(slices.Sorted(slices.Values(voters)))
	if len(voters) == 0 || len(voters) > voting.VotersMax {
		return nil, nil, fmt.Errorf("%d voters: there are 1 to %d", len(voters), voting.VotersMax)
	}
	if !slices.Contains(voters, r.ID) {
		return nil, nil, fmt.Errorf("%s, whose data this is, must be one of the voters: it brings the new "+
			"configuration to the others", r.ID)
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
	c := &voting.Config{
		Epoch:    recovered<<recoveryEpochShift | uint64(draw&recoveryDrawMask)<<voting.DrawShift,
		Founding: founding, Former: append(slices.Clone(r.Config.Former), r.Config.Founding),
		Strong: r.Config.Strong,
		Held: slices.DeleteFunc(slices.Clone(r.Config.Held), func(id slot.ID) bool {
			return slices.Contains(voters, id)
		}),
		Previous: voters, Voters: voters, // each catches up with all of them.
	}
	changes := []contract.Change{{Key: schema.KeyConfig, Value: voting.Encode(c)},
		{Key: schema.RecordKey(schema.ConfigPath(r.Config.Epoch))}}
	return c, changes, nil
}

// NotRemoved makes the change of this member's store that makes these identities members again, this one included: it
// undoes a mistaken removal. Any other member that still has them as removed would announce the removal again, so it
// has to be done on all members, with all of them stopped. The data of such a member may be older than tombstones that
// were collected meanwhile: values that were deleted meanwhile may come back.
func (r *Recovery) NotRemoved(ids []slot.ID) (contract.Change, error) {
	members := slices.Clone(r.Members)
	for _, id := range ids {
		at := slices.IndexFunc(members, func(m swim.Member) bool { return m.ID == id })
		switch {
		case at < 0 && id != r.ID:
			return contract.Change{}, fmt.Errorf("this member has never heard of %s", id)
		case at >= 0 && members[at].State.Gone():
			members[at].State, members[at].GoneAt = swim.Dead, 0
		}
	}
	return membership.EncodeBook(members, r.ID, contract.DefaultTuning().MembersBytesMax), nil
}

// Needed is how many of the voters have to be up for linearizable operations to go on without a recovery.
func (r *Recovery) Needed() int {
	if r.Config.Recovered() && r.CaughtUp < r.Config.Epoch {
		return len(r.Config.Voters)
	}
	return r.Config.Majority()
}
