package swim

import (
	"math/rand/v2"
	"time"
)

// State of a member, as far as this member knows.
type State uint8

// The states. Left is a member that went on purpose, Removed one that an operator took out. Both are final: no later
// rumour about such an identity counts, whatever its incarnation. See removal.go.
const (
	Alive State = iota
	Suspect
	Dead
	Left
	Removed

	stateCount = int(Removed) + 1
)

var stateNames = [...]string{"alive", "suspect", "dead", "left", "removed"}

// Gone reports whether this state means that the identity is no longer a member, for good.
func (s State) Gone() bool { return s >= Left }

// String prints the word used in status and logs.
func (s State) String() string { return stateNames[s] }

// Member is one line of the member table.
type Member struct {
	ID   ID
	Name string
	Addr string // "host:port", for datagrams and streams.
	Born uint64 // hybrid timestamp at which this identity was made; older members have lower ones.
	// FirstIncarnation of its run at first; raised only by the member itself, to refute rumours and to announce a new
	// run, name or address.
	Incarnation uint64
	State       State
	// when it left or was removed, in milliseconds since the Unix epoch, by the clock of the member that announced it;
	// else zero.
	GoneAt uint64
}

// Send is a message to an address. Stream messages may be long; datagrams never exceed Config.DatagramBytesMax.
type Send struct {
	Stream bool
	To     string
	Data   []byte
}

// Event is a change of a member's line in the table. Events are in the order in which they happened. A raised
// incarnation alone is no event. About this member itself there is one event: other members have removed it.
type Event struct {
	Member Member // as it is now.
	Was    State  // what it was; equal to Member.State for a new member and for a changed address, name or birth.
	New    bool   // first time this member was heard of.
}

// Output collects what the machine wants done. The caller resets it.
type Output struct {
	Sends  []Send
	Events []Event
}

// Options of New. All are required but Seeds and Known.
type Options struct {
	Config Config
	Self   Member   // State Alive; Incarnation above every one of a former run.
	Seeds  []string // addresses to dial for ever while no member answers there.
	// members of a former run: dead until a rumour says otherwise, or gone for good. There are no events for them. If
	// this member's own ID is among them and gone, this machine is silent for ever.
	Known []Member
	Rand  *rand.Rand
	Now   time.Duration // monotonic.
}

// Counters only ever grow during one run.
type Counters struct {
	Probes       uint64 // members pinged, one each probe interval.
	ProbesFailed uint64 // of them without an answer, direct or indirect.
	StreamAcks   uint64 // of them answered over a stream alone: datagrams are cut, or slow.
	NacksMissed  uint64 // helpers that sent neither an ack nor a nack.
	ExtraGossip  uint64 // datagrams that carried only rumours, for want of room in others.
	Refutes      uint64 // times this member raised its incarnation against a rumour.
	Clashes      uint64 // times another process has confirmed that it has this member's ID; see Machine.Clash.
	Misdirected  uint64 // pings for a member that had this address before.
	TableFull    uint64 // rumours of new members ignored because of Config.MembersMax.
	SeedsSilent  uint64 // rounds of dialling without an answer, since this member started or last had a living peer.
	Doubts       uint64 // claims that were not believed without asking: see doubt.go.
	Absurd       uint64 // claims with an incarnation that no member can have.
	Renamed      uint64 // claims that a member has another name, where names are fixed.
	LateTicks    uint64 // ticks so late that this member discarded the silence it had noted.
}
