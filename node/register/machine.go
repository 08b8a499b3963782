package register

import (
	"slices"
	"time"

	"kvs/node/contract"
	"kvs/node/slot"
	"kvs/node/step"
	"kvs/node/wire"
)

// Owner is what the machine asks of the node that it belongs to.
type Owner interface {
	step.Voters
	// ConfigDecided is told how a round about the path of a configuration ended, see Machine.DecideConfig and
	// Machine.Finish.
	ConfigDecided(path string, resp *contract.Response)

	// Write puts an encoded slot in the running step's persist, and in every index that lists it.
	Write(path string, stored slot.Stored) contract.PersistID
	// Chosen records a slot in which a linearizable operation has made a candidate the value of the path.
	Chosen(path string, s *slot.Slot)
	// UnlistTombstone takes a path off the list of slots that end as tombstones do.
	UnlistTombstone(path string)
	// Left is what is left of a slot that cannot be read.
	Left(path string) slot.Slot
	// Fence is at or above every promise and ballot that went with a tombstone that was dropped; zero: none was.
	Fence() slot.Timestamp

	// HasPassed reports whether a voter is known to have caught up with the epoch in force; AskPassed asks those of
	// which it is not known.
	HasPassed(id slot.ID) bool
	AskPassed()

	// Strong reports whether all writes of a path are linearizable.
	Strong(path string) bool

	// Declines reports whether this member runs no operations of this kind for other members at present.
	Declines(op contract.OpKind) bool

	// Enqueue sends a record to a member in the background.
	Enqueue(to *step.Peer, e wire.Entry)
}

// Machine runs the rounds of this member, and votes in those of others. Its operations are sorted by round. Those of
// one path run one after the other, so that a member does not compete with itself; looks change nothing and do not
// queue. It is not safe for concurrent use: the goroutine of its node owns it.
type Machine struct {
	*step.Shared
	owner Owner

	ops   []*operation
	open  int // of them, those that are not answered.
	last  uint64
	wake  time.Duration
	turns map[string]*turn // by path.

	standing *step.Recent[standing] // by path: the ballots that stand.
	descents *step.Recent[descent]  // by path: which record followed which.
	knows    step.PeerTable[bool]   // of a voter: it takes a wire.AcceptDirect.

	routes  step.PeerTable[route]  // other members as proposers of this member's operations,
	windows step.PeerTable[window] // and what they have forwarded to this one.
	errands map[uint64]*operation  // by round: operations of this member that another one runs.

	// decided are the rounds about configurations that ended in the running step: what follows from them restarts
	// rounds, and so waits until the step is done with them.
	decided []decided
}

// New returns a machine without operations. What it has promised and accepted stands in the store.
func New(shared *step.Shared, owner Owner) *Machine {
	return &Machine{
		Shared: shared, owner: owner,
		standing: step.NewRecent[standing](standingBytesMax), descents: step.NewRecent[descent](descentBytesMax),
	}
}

// Handlers are the messages that the machine takes in.
func (m *Machine) Handlers() []step.Handler {
	all := []step.Handler{
		step.On(wire.KindPrepare, m.HandlePrepare),
		step.On(wire.KindLook, m.HandleLook),
		step.On(wire.KindAccept, m.HandleAccept),
		step.On(wire.KindAcceptDirect, m.HandleAcceptDirect),
		step.On(wire.KindPromised, m.HandlePromised),
		step.On(wire.KindAccepted, m.HandleAccepted),
		step.On(wire.KindForward, m.HandleForward),
		step.On(wire.KindForwarded, m.HandleForwarded),
		step.On(wire.KindDescent, m.HandleDescent),
		step.On(wire.KindDescended, m.HandleDescended),
	}
	for i := range all {
		handle := all[i].Handle
		all[i].Handle = func(from *step.Peer, body []byte) error {
			m.routes.Of(from).heard(m.Now.Mono)
			return handle(from, body)
		}
	}
	return all
}

// Due is the time of the next timer; zero: there is none.
func (m *Machine) Due() time.Duration { return m.wake }

// Finish tells the owner how the rounds about configurations ended. The node calls it at the end of each step.
func (m *Machine) Finish() {
	for len(m.decided) > 0 {
		d := m.decided[0]
		m.decided = m.decided[1:]
		m.owner.ConfigDecided(d.path, &d.resp)
	}
}

func (m *Machine) find(round uint64) (int, bool) {
	return slices.BinarySearchFunc(m.ops, round, func(o *operation, r uint64) int {
		return slot.CompareID(slot.ID(o.round), slot.ID(r))
	})
}

// holds reports whether o is still under way.
func (m *Machine) holds(o *operation) bool {
	i, ok := m.find(o.round)
	return ok && m.ops[i] == o
}
