// Package membership is the machine that keeps the members: it wraps node/swim, updates the peers, the roster and the
// electorate from swim's events, writes the address book, and ends memberships, also this member's own.
//
// It does not detect failures (node/swim does), and the voters of linearizable operations are node/configuration's.
// Begin with Machine, and members.go.
package membership

import (
	"fmt"
	"time"

	"kvs/node/contract"
	"kvs/node/slot"
	"kvs/node/step"
	"kvs/node/swim"
	"kvs/node/wire"
)

// Options are this member's name and addresses, and where it looks for others.
type Options struct {
	Name  string
	Seeds []string // addresses of members to join through.
	Swim  swim.Config
}

// Owner is what the machine asks of its node.
type Owner interface {
	// Pulse is the pulse that a datagram to an address carries.
	Pulse(to string) wire.Pulse
	// SetReadOnly gives the node a reason to be read-only.
	SetReadOnly(*contract.SetReadOnly)

	// PeerMet is called when a peer is met for the first time in this run, PeerBack when one that was dead is alive
	// again, before PeerChanged, which is called whenever its state or address may be another one.
	PeerMet(*step.Peer)
	PeerBack(*step.Peer)
	PeerChanged(*step.Peer)
	// PeerGone is called when a peer is no longer a member: it does not count from now on. PeerChanged follows, and
	// then it is no peer.
	PeerGone(slot.ID)
	// Retiring is called when this member's own membership has ended, while it still has its peers.
	Retiring()
	// DecideAnew is called at the end of a step's membership events, if they have changed the electorate.
	DecideAnew()
}

// Machine knows the members. It alone writes Peers, Roster, Electorate and BookAfter of step.Shared. It is not safe for
// concurrent use: the goroutine of its node owns it.
type Machine struct {
	*step.Shared
	owner Owner
	opts  Options

	swim      *swim.Machine
	out       swim.Output
	former    []slot.Seat // of members that are gone, as in the member table.
	bookDirty bool        // the address book on disk is behind the member table.
	watch     clashWatch
	impostors time.Duration // the earliest time of the next log line about impostors.
}

// New returns a machine without members: call Recover, and then Begin, before other methods.
func New(shared *step.Shared, owner Owner, opts Options) *Machine {
	return &Machine{Shared: shared, owner: owner, opts: opts}
}

// Recover makes peers and an electorate of the address book of a former run: peers are dead until a message of them
// arrives.
func (m *Machine) Recover(book []swim.Member) {
	m.enroll(m.Self, m.Born)
	m.former = formerMembers(book)
	for i := range book {
		if book[i].State.Gone() {
			continue
		}
		m.enroll(book[i].ID, slot.Timestamp(book[i].Born))
		if _, known := m.PeerIndex(book[i].ID); !known && book[i].ID != m.Self {
			m.AddPeer(book[i].ID, book[i].Addr, swim.Dead)
		}
	}
	m.electorateChanged()
}

// Begin starts the membership protocol. Errors: the options are wrong.
func (m *Machine) Begin(book []swim.Member) (err error) {
	m.swim, err = swim.New(swim.Options{
		Config: m.opts.Swim,
		Self: swim.Member{
			ID: m.Self, Name: m.opts.Name, Addr: m.Addr, Born: uint64(m.Born),
			Incarnation: swim.FirstIncarnation(m.Run, m.Rand.Uint32()),
		},
		Seeds: m.opts.Seeds,
		Known: book,
		Rand:  m.Rand,
		Now:   m.Now.Mono,
	})
	if err != nil {
		return fmt.Errorf("membership: %w", err)
	}
	if m.Gone() {
		m.retire()
	}
	return nil
}

// Tick runs every timer that is due.
func (m *Machine) Tick() {
	if m.swim.Next() <= m.Now.Mono {
		m.swim.Tick(m.Now.Mono, &m.out)
	}
}

// Due is the time of the next timer.
func (m *Machine) Due() time.Duration { return m.swim.Next() }

// HandleDatagram takes in a datagram that came from an address.
func (m *Machine) HandleDatagram(from string, data []byte) error {
	return m.swim.Datagram(m.Now.Mono, from, data, &m.out)
}

// HandleTable takes in a member table.
func (m *Machine) HandleTable(by swim.Speaker, data []byte) error {
	return m.swim.Stream(m.Now.Mono, by, data, &m.out)
}

// Join asks the members at these addresses to take this one in.
func (m *Machine) Join(addrs []string) { m.swim.Join(m.Now.Mono, addrs, &m.out) }

// Lookup returns a member from the member table, also one that is gone.
func (m *Machine) Lookup(id slot.ID) (member swim.Member, known bool) { return m.swim.Lookup(id) }

// Behind is the member that answered at an address that is not its own; zero: none has.
func (m *Machine) Behind(addr string) slot.ID { return m.swim.Behind(addr) }

// Members is the member table, sorted by ID, with this member and those that are gone.
func (m *Machine) Members() []swim.Member { return m.swim.Members() }

// AppendMembers appends the member table to a slice.
func (m *Machine) AppendMembers(to []swim.Member) []swim.Member { return m.swim.AppendMembers(to) }

// Since is the monotonic time at which a member's state changed last.
func (m *Machine) Since(id slot.ID) time.Duration { return m.swim.Since(id) }

// LocalHealth is that of node/swim: zero is well.
func (m *Machine) LocalHealth() int { return m.swim.LocalHealth() }

// Vouched reports whether another member has confirmed that this one is a member still, see swim.Machine.Vouched.
func (m *Machine) Vouched() (ok bool, laterRun uint64) { return m.swim.Vouched() }

// Heard reports whether another member has answered at all, see swim.Machine.Heard.
func (m *Machine) Heard() bool { return m.swim.Heard() }

// Announce lets the other members know of this run.
func (m *Machine) Announce() { m.swim.Announce(&m.out) }

// Left reports whether the farewell of this member is complete, or its membership has ended otherwise.
func (m *Machine) Left() bool { return m.swim.Left() }

// Booked reports whether the address book on disk is up to date with the member table.
func (m *Machine) Booked() bool { return m.BookAfter <= m.Durable && !m.bookDirty }

// WriteBook has the running step persist the address book, if it has changed.
func (m *Machine) WriteBook() {
	if m.bookDirty {
		m.bookDirty = false
		m.BookAfter = m.NextPersist()
		m.Changes = append(m.Changes, m.bookChange())
	}
}
