// Package tombstones is the machine that collects tombstones: it finds those that are older than the grace time, asks
// all members whether they hold them, drops those that all hold, and remembers what has to be refused from then on (the
// fence, and the stamps of old frames), so that no deleted value comes back.
//
// It makes no tombstones: deletes and expiry (node/expiry) do. Begin with the rule in collection.go.
package tombstones

import (
	"time"

	"kvs/node/contract"
	"kvs/node/slot"
	"kvs/node/step"
	"kvs/node/wire"
)

// Owner is what the machine asks of its node.
type Owner interface {
	// MembersExpected is how many members the cluster is founded with. It is asked while there is no configuration.
	MembersExpected() int
	// Write puts a slot in the running step's persist, and updates the indexes.
	Write(path string, stored slot.Stored) contract.PersistID
	// Erase takes a path out of the store for good, in the running step's persist.
	Erase(path string)
	// Settle starts a linearizable read that writes the shown version of a path over what lies beneath, if that can be
	// done now.
	Settle(path string)
}

// Machine collects tombstones. It is not safe for concurrent use: the goroutine of its node owns it.
type Machine struct {
	*step.Shared
	owner Owner

	stamps  stamps
	next    time.Duration // when to look for tombstones again.
	turn    time.Duration // when the next generation begins.
	cursor  string        // where to go on in the index under g/.
	round   *round        // nil: none under way.
	last    uint64        // number of the last round.
	missing slot.ID       // the member that was away when all had to be asked last; zero: none.
	acked   wire.Stamp    // frames of this member up to it may hold versions that a tombstone of a round has replaced.
	graves  graves
	echo    []wire.HeldVersion // dropped tombstones that the frame of the running step brought back ...
	echoTo  slot.ID            // ... and its sender.
}

// New returns an empty machine: call Recover and Begin before other methods.
func New(shared *step.Shared, owner Owner) *Machine { return &Machine{Shared: shared, owner: owner} }

// Begin sets the first timers.
func (m *Machine) Begin() {
	m.turn = m.Now.Mono + m.Tuning.TombstoneGrace/graceParts
	m.next = m.turn
}

// Due is the time of the next timer.
func (m *Machine) Due() time.Duration {
	if m.round != nil {
		return min(m.turn, m.round.giveUp)
	}
	return min(m.turn, m.next)
}

// Tick begins the next generation, gives up a round that not all members answer, and looks for tombstones, when it is
// time to.
func (m *Machine) Tick() {
	if m.Now.Mono < m.Due() {
		return
	}
	if m.Now.Mono >= m.turn {
		m.turnGeneration()
	}
	if m.round != nil {
		if m.Now.Mono < m.round.giveUp {
			return
		}
		m.Log(contract.LogDebug, "tombstones: not all members answered", "round", m.round.id)
		m.round = nil
		m.plan(false)
	}
	if m.Now.Mono >= m.next {
		m.collect()
	}
}
