// Package tombstones is the machine that ends tombstones: it finds those that are older than the grace time, asks all
// members whether they hold them, drops what all hold, and remembers what has to be refused from then on (the fence,
// and the stamps of old frames), so that no deleted value comes back.
//
// It makes no tombstone: deletes and the end of values (node/expiry) do. Begin with the rule in collection.go.
package tombstones

import (
	"time"

	"kvs/node/contract"
	"kvs/node/slot"
	"kvs/node/step"
	"kvs/node/wire"
)

// Owner is what the machine asks of the node that it belongs to.
type Owner interface {
	// MembersExpected is how many members the cluster is founded with. It is asked while there is no configuration.
	MembersExpected() int
	// Erase takes a path out of the store for good, in the running step's persist.
	Erase(path string)
	// Settle has a linearizable read replace what lies under a path with what shows there, if that can be done now.
	Settle(path string)
}

// Machine collects tombstones. It is not safe for concurrent use: the goroutine of its node owns it.
type Machine struct {
	*step.Shared
	owner Owner

	stamps  stamps
	next    time.Duration // when to look for tombstones again.
	turn    time.Duration // when the next generation begins.
	cursor  string        // the index under g/ is read on from here.
	round   *round        // nil: none under way.
	last    uint64        // number of the last round.
	missing slot.ID       // who was away when all had to be asked last; zero: no member.
	acked   wire.Stamp    // own frames up to it may hold what a tombstone of a round had replaced.
	graves  graves
	echo    []wire.HeldVersion // what the frame of the running step brought back ...
	echoTo  slot.ID            // ... and from whom.
}

// New returns a machine that knows nothing yet: call Recover and Begin before anything else.
func New(shared *step.Shared, owner Owner) *Machine { return &Machine{Shared: shared, owner: owner} }

// Begin sets the first times at which the machine has something to do.
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
