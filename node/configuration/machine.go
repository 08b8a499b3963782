// Package configuration is the machine that keeps the configuration of the cluster: who votes, in which epoch, and
// below which prefixes every write is linearizable. It founds the cluster (founding.go), changes the voters one at a
// time (voters.go) and the strong prefixes (policy.go), lets the voters of a new epoch catch up with the former voters
// (catchup.go), takes over a configuration that was set by hand (recovered.go), and keeps two foundings of one name
// apart (foundings.go).
//
// It does not run the rounds in which a configuration is decided (node/register does), it does not decide who is a
// member (node/swim does), and the configuration as a value is node/voting. Begin with Machine, and epoch.go.
package configuration

import (
	"time"

	"kvs/node/contract"
	"kvs/node/slot"
	"kvs/node/step"
	"kvs/node/swim"
	"kvs/node/voting"
	"kvs/node/wire"
)

// Options is what the node's own file says about the cluster to be founded.
type Options struct {
	Seeds           []string // addresses of members, perhaps this one's as well.
	ExpectedMembers int      // of the cluster that is being formed; zero: this node and its seeds; see expectedByFile.
	StrongPrefixes  []string // of the first configuration, sorted.
	Founded         bool     // there is a cluster: this member founds none, and gives no founder its word.
}

// Owner is what the machine asks of its node.
type Owner interface {
	Options() Options
	// Mode is what the node does for clients at the moment.
	Mode() contract.Mode

	// Gone reports whether this member's own membership has ended.
	Gone() bool
	// Lookup is what the member table says of a member, also of one that is gone.
	Lookup(slot.ID) (m swim.Member, known bool)
	// Behind is the member that answered at an address that is not its own; zero: none has.
	Behind(addr string) slot.ID
	// MemberName is a member's name for people, or its ID when this member does not know it any more.
	MemberName(slot.ID) string
	// Decide begins the round in which the voters in force decide on the configuration that ends the epoch of path, see
	// schema.ConfigPath. The result comes to Machine.Decided, after the step in which the round ends.
	Decide(path string, config []byte, giveUp time.Duration)
	// RestartRounds and RestartQuorum restart the operations under way: another configuration is in force, or this
	// voter takes part now.
	RestartRounds()
	RestartQuorum()

	// DurableEntry is what is stored durably under a path; known: something is. Errors: it cannot be read.
	DurableEntry(path string) (e wire.Entry, known bool, err error)
	// WriteSlot stores what a slot has become whose version is what it was.
	WriteSlot(path string, s *slot.Slot)
	// Merge takes in another member's copy of a slot.
	Merge(from *step.Peer, path string, record []byte) error
}

// Machine keeps the configuration. It alone writes InForce, InForceAfter, CaughtUp and Founded of step.Shared. It is
// not safe for concurrent use: the goroutine of its node owns it.
type Machine struct {
	*step.Shared
	owner Owner

	passedAfter contract.PersistID
	founding    founding
	foreigners  foreigners
	// relateAt is the time from which a member of another founding may be asked for its configuration again.
	relateAt     step.PeerTable[time.Duration]
	change       *voterChange // under way; nil: none is.
	promoteAt    time.Duration
	epochTellAt  time.Duration
	catchUp      catchUp
	passed       passed
	catchUpRound uint64
}

// New returns a machine that knows no configuration yet: call Recover, and Begin once the members are known.
func New(shared *step.Shared, owner Owner) *Machine { return &Machine{Shared: shared, owner: owner} }

// Handlers are the messages that the machine takes in.
func (m *Machine) Handlers() []step.Handler {
	return []step.Handler{
		step.On(wire.KindConfigAsk, m.HandleConfigAsk),
		step.On(wire.KindConfigIs, m.HandleConfigIs),
		step.On(wire.KindEpoch, m.HandleEpoch),
		step.On(wire.KindPassedAsk, m.HandlePassedAsk),
		step.On(wire.KindPassedIs, m.HandlePassedIs),
		step.On(wire.KindAdoptedAsk, m.HandleAdoptedAsk),
		step.On(wire.KindAdoptedIs, m.HandleAdoptedIs),
		step.On(wire.KindWordAsk, m.HandleWordAsk),
		step.On(wire.KindWord, m.HandleWord),
		step.On(wire.KindWordBack, m.HandleWordBack),
		step.On(wire.KindCatchRange, m.HandleCatchRange),
		step.On(wire.KindCatchKeys, m.HandleCatchKeys),
		step.On(wire.KindCatchPull, m.HandleCatchPull),
		step.On(wire.KindCatchSlots, m.HandleCatchSlots),
	}
}

// Recover reads the configuration in force, and the state of changes that a former run began. It is called before the
// node sends anything.
func (m *Machine) Recover() (err error) {
	if m.InForce, err = voting.Stored(m.Store); err != nil {
		return err
	}
	if m.InForce != nil {
		if m.CaughtUp, err = StoredPassed(m.Shared); err != nil {
			return err
		}
	}
	m.Founded = m.InForce.Tag()
	return m.recoverWord()
}

// Begin starts the timers, and continues what a former run had begun.
func (m *Machine) Begin() {
	m.founding.next = m.Now.Mono + foundingInterval
	m.promoteAt, m.epochTellAt = m.Now.Mono+promotionInterval, m.Now.Mono+epochTellInterval
	if m.InForce != nil {
		m.startCatchUp()
	} else {
		m.found() // at once, when no other member is expected.
	}
}

// Warn logs what operators have to know about the configuration, once at each start.
func (m *Machine) Warn() {
	m.warnRecovered()
	m.warnPolicy()
}

// Tick runs every timer that is due.
func (m *Machine) Tick() {
	m.tickFounding()
	m.tickVoters()
	m.tickCatchUp()
}

// Due is the time of the next timer.
func (m *Machine) Due() time.Duration {
	at := m.votersDue()
	if m.catchUp.epoch != 0 {
		at = min(at, m.catchUp.retry)
	}
	return at
}
