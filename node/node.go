package node

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"kvs/node/hlc"
	"kvs/node/swim"
)

// Options say who a node is and what it is made of. Every field whose comment does not say "default" is required.
type Options struct {
	Name    string // unique in the cluster, shown to people.
	Addr    string // "host:port" at which the other members reach this node, by datagram and by stream.
	Cluster string // name of the cluster; messages of another cluster are dropped.
	Store   Reader
	Rand    *rand.Rand

	Seeds  []string    // addresses of members to join through; default: none, a cluster of one.
	Swim   swim.Config // default: swim.DefaultConfig().
	Tuning Tuning      // default: DefaultTuning().
	// ExpectedMembers is the size of the cluster that is being formed: it is founded once so many members have met (epoch.go).
	// Default: this node and its seeds.
	ExpectedMembers int

	// StrongPrefixes are those of the first configuration if this node founds the cluster (policy.go), sorted; later ones are
	// changed by the cluster. Default: none.
	StrongPrefixes []string

	// Founder says that the node is one of the first of a new cluster, or alone for good: it serves at once, without looking for
	// members that may have data. Default: a node with a new identity that knows seeds looks for them (bootstrap.go).
	Founder bool

	ReadOnly bool     // start read-only, for the reason "config". Default: false.
	LogLevel LogLevel // lines below it are not made. Default: LogInfo.
}

// Node is one replica. It is not safe for concurrent use: one goroutine owns it.
type Node struct {
	id      ID
	name    string
	addr    string
	cluster uint32
	founded uint32 // tag of the founding of the configuration in force; zero: there is none.
	opts    Options
	tuning  Tuning
	rng     *rand.Rand
	store   Reader
	clock   hlc.Clock
	born    Timestamp
	// boundAfter is the persist of the clock's bound: a timestamp that travels alone waits for it.
	boundAfter PersistID
	boots      uint64
	exchanges  uint64 // where the names of this run's exchanges begin.
	batches    uint64 // of records, sent to all peers together in this run.
	started    time.Duration
	now        Time
	eff        *Effects // of the running step.
	counters   Counters

	persists  PersistID // the highest one handed out.
	durable   PersistID
	ops       []Op // what the running step persists.
	overlay   overlay
	index     index
	bootAfter PersistID // nothing is said before this start is on disk.
	bookAfter PersistID // no record leaves before the members known are on disk: whoever got one is asked before a tombstone goes.

	swim       *swim.Machine
	swimOut    swim.Output
	peers      []*peer       // sorted by ID; every member but this one and those that left.
	roster     []rosterEntry // every member that has not left, this one included, sorted by ID.
	former     []Seat        // of those that are gone, as the member table has them.
	electorate *Electorate   // made from both; never nil.
	booksDirty bool          // the address book on disk is behind the member table.
	watch      clashWatch
	foreigners foreigners
	sync       syncSession
	bootstrap  bootstrap
	survey     survey
	conflicts  conflictLog
	stamps     stamps
	collection collection
	expiry     expiry
	quorum     quorumOps

	config       *Config // in force; nil: the cluster is not founded yet.
	configAfter  PersistID
	passed       uint64 // the last epoch with which this voter has caught up.
	passedAfter  PersistID
	founding     founding
	change       *voterChange // under way; nil: none is.
	promoteAt    time.Duration
	epochTellAt  time.Duration
	catchUp      catchUp
	catchUpRound uint64
	register     registerOps
	readOnly     []string // sorted reasons.
	failure      string   // why the node is in ModeFailed; empty: it is not.

	clockGuard clockGuard
	modeAfter  PersistID // of what the operator asked for.
	digest     uint64    // of what this node holds, for the pulse; zero: unknown.
	scratch    Slot      // for the scrub,
	merging    [2]Slot   // and for merge: memory that is used again.
}

// New recovers a node from its store, or makes a new identity in an empty one, and starts it: eff receives its first
// persists and messages. It keeps none of its slices in eff. Errors are final: wrong options, or a store that cannot be
// trusted.
func New(now Time, o Options, eff *Effects) (*Node, error) {
	if err := o.fill(); err != nil {
		return nil, err
	}
	n := &Node{
		name: o.Name, addr: o.Addr, cluster: clusterHash(o.Cluster), opts: o, tuning: o.Tuning, rng: o.Rand,
		store: o.Store, started: now.Mono, now: now, eff: eff,
	}
	n.overlay.init()
	if o.ReadOnly {
		n.readOnly = []string{ReasonConfig}
	}
	book, err := n.recoverMeta()
	if err != nil {
		return nil, err
	}
	if err := n.recoverIndex(); err != nil {
		return nil, err
	}
	if err := n.recoverConfig(); err != nil {
		return nil, err
	}
	n.founded = n.config.tag()
	if err := n.recoverWord(); err != nil {
		return nil, err
	}
	n.exchanges = firstExchange(n.id, n.boots)
	n.sync.id = n.exchanges
	n.bootAfter = n.nextPersist()
	n.enroll(n.id, n.born)
	n.former = formerMembers(book)
	for i := range book {
		if book[i].State.Gone() {
			continue
		}
		n.enroll(book[i].ID, Timestamp(book[i].Born))
		if at, known := n.peerIndex(book[i].ID); !known && book[i].ID != n.id {
			n.peers = slices.Insert(n.peers, at, &peer{id: book[i].ID, addr: book[i].Addr, state: swim.Dead})
		}
	}
	n.electorateChanged()
	if err := n.recoverConflicts(); err != nil {
		return nil, err
	}
	n.swim, err = swim.New(swim.Options{
		Config: o.Swim,
		Self:   swim.Member{ID: n.id, Name: o.Name, Addr: o.Addr, Born: uint64(n.born), Incarnation: n.boots << bootShift},
		Seeds:  o.Seeds,
		Known:  book,
		Rand:   n.rng,
		Now:    now.Mono,
	})
	if err != nil {
		return nil, fmt.Errorf("membership: %w", err)
	}
	if n.gone() {
		n.retire()
	}
	n.founding.next = now.Mono + foundingInterval
	n.sync.next = now.Mono + n.tuning.SyncInterval/4
	n.beginCollection()
	n.swim.Tick(now.Mono, &n.swimOut)
	if err := n.recoverBootstrap(); err != nil {
		return nil, err
	}
	n.promoteAt, n.epochTellAt = now.Mono+promotionInterval, now.Mono+epochTellInterval
	if n.config != nil {
		n.startCatchUp()
	} else {
		n.found() // at once, when nobody else is expected.
	}
	n.log(LogInfo, "node started", "id", n.id.String(), "name", n.name, "addr", n.addr, "cluster", o.Cluster, "boots", n.boots)
	n.warnRecovered()
	n.warnPolicy()
	n.finish()
	return n, nil
}

// bootShift leaves room below the boot counter for the times a member refutes rumours during one run, so that every run
// begins above all incarnations of the former ones.
const bootShift = 20

func (o *Options) fill() error {
	switch {
	case o.Name == "" || len(o.Name) > SegmentBytesMax:
		return fmt.Errorf("node name %q: want 1 to %d bytes", o.Name, SegmentBytesMax)
	case o.Addr == "":
		return errors.New("node address is missing: other members need a host:port to reach this node")
	case o.Cluster == "" || len(o.Cluster) > SegmentBytesMax:
		return fmt.Errorf("cluster name %q: want 1 to %d bytes", o.Cluster, SegmentBytesMax)
	case o.Store == nil || o.Rand == nil:
		return errors.New("node needs a store and a source of randomness")
	}
	if o.ExpectedMembers < 0 {
		return fmt.Errorf("expected members %d: want 1 or more, or 0 for the default", o.ExpectedMembers)
	}
	if o.Swim == (swim.Config{}) {
		o.Swim = swim.DefaultConfig()
	}
	if o.Tuning == (Tuning{}) {
		o.Tuning = DefaultTuning()
	}
	o.Swim.DatagramBytesMax = min(o.Swim.DatagramBytesMax, DatagramBytesMax-envelopeBytes-pulseBytes)
	return o.Tuning.Check()
}

// Step hands the node one input and appends to eff what it wants done. The caller resets eff.
func (n *Node) Step(now Time, in Input, eff *Effects) {
	if now.Mono < n.now.Mono { // asked here, so that the values do not go to the heap at every step.
		invariant(false, "monotonic time went backwards", "from", n.now.Mono, "to", now.Mono)
	}
	n.now, n.eff = now, eff
	if n.failure != "" {
		n.stepFailed(in)
		return
	}
	switch in := in.(type) {
	case Tick:
		n.tick()
	case *Datagram:
		n.datagram(in)
	case *Frame:
		n.frame(in)
	case *Persisted:
		n.persisted(in)
	case *Request:
		n.request(in)
	case *Join:
		n.joining()
		n.swim.Join(now.Mono, in.Addrs, &n.swimOut)
	case Leave:
		n.startLeaving()
	case *Remove:
		n.remove(in)
	case *SetReadOnly:
		n.setReadOnly(in)
	default:
		invariant(false, "unknown input", "type", fmt.Sprintf("%T", in))
	}
	n.finish()
}

// tick runs every timer that is due.
func (n *Node) tick() {
	if n.swim.Next() <= n.now.Mono {
		n.swim.Tick(n.now.Mono, &n.swimOut)
	}
	for _, p := range n.peers {
		n.retryBatch(p)
		n.expireHints(p)
	}
	n.tickQuorum()
	n.tickConfig()
	n.tickVoters()
	n.tickCatchUp()
	n.tickRegister()
	n.tickBootstrap()
	n.tickSurvey()
	n.tickCollection()
	n.tickExpiry()
	n.tickSync()
	n.tickScrub()
	n.tickConflicts()
	n.watchClock()
}

// finish turns what the step has gathered into effects.
func (n *Node) finish() {
	n.drainSwim()
	for len(n.register.decided) > 0 {
		d := n.register.decided[0]
		n.register.decided = n.register.decided[1:]
		n.configDecided(d.op, &d.resp)
	}
	n.sendEcho()
	n.watchMembership()
	if n.booksDirty {
		n.booksDirty = false
		n.bookAfter = n.nextPersist()
		n.ops = append(n.ops, n.bookOp())
	}
	if len(n.ops) > 0 {
		n.persists++
		n.eff.Persist = Persist{ID: n.persists, Ops: n.ops}
		n.ops = nil
	}
	n.eff.Wake = n.wake()
	n.eff = nil
}

// nextPersist is the ID under which everything of the running step becomes durable.
func (n *Node) nextPersist() PersistID { return n.persists + 1 }

// wake is the time of the next timer.
func (n *Node) wake() time.Duration {
	at := min(n.swim.Next(), n.index.scrub.next, n.sync.due(), n.collection.due(), n.expiry.next)
	for _, p := range n.peers {
		if p.inflight.frame != nil {
			at = min(at, p.inflight.retryAt)
		}
		if p.dead() && p.hinted() {
			at = min(at, p.diedAt+n.tuning.HintTTL)
		}
	}
	if n.quorum.wake != 0 {
		at = min(at, n.quorum.wake)
	}
	for _, due := range [...]time.Duration{n.conflictsDue(), n.bootstrap.due(), n.survey.due()} {
		if due != 0 {
			at = min(at, due)
		}
	}
	if n.register.wake != 0 {
		at = min(at, n.register.wake)
	}
	at = min(at, n.votersDue())
	if n.catchUp.epoch != 0 {
		at = min(at, n.catchUp.retry)
	}
	return max(at, 1) // zero would mean "unchanged".
}

func (n *Node) persisted(in *Persisted) {
	if in.UpTo < n.durable || in.UpTo > n.persists {
		invariant(false, "persisted out of order", "durable", n.durable, "upTo", in.UpTo, "handedOut", n.persists)
	}
	n.durable = in.UpTo
	n.overlay.durable(in.UpTo)
	n.indexDurable(in.UpTo)
	if in.Err != nil {
		n.failure = fmt.Sprintf("the disk failed to store data (%v): this node answers nothing more, because it cannot know what is on disk; check the disk, then restart the node", in.Err)
		n.log(LogError, "storage failed, node stopped serving", "error", in.Err.Error())
	}
}

// stepFailed answers clients and does nothing else: peers see the node fall silent and declare it dead.
func (n *Node) stepFailed(in Input) {
	if r, ok := in.(*Request); ok {
		n.refuse(r, CodeFailed, n.failure)
	}
	n.eff = nil
}

// send hands a message to the world. Nothing goes out before this start of the node is on disk: an incarnation that was
// heard must never be used again.
func (n *Node) send(t Transport, to string, after PersistID, data []byte) {
	after = max(after, n.bootAfter)
	if t == TransportFrame && msgKind(data[1]) != msgMemberTable {
		after = max(after, n.bookAfter)
	}
	if after <= n.durable {
		after = 0
	}
	n.eff.Sends = append(n.eff.Sends, Send{After: after, Transport: t, To: to, Data: data})
}

func (n *Node) reply(after PersistID, r Response) {
	if after <= n.durable {
		after = 0
	}
	n.eff.Replies = append(n.eff.Replies, Reply{After: after, Response: r})
}

func (n *Node) log(level LogLevel, msg string, attrs ...any) {
	if level >= n.opts.LogLevel {
		n.eff.Logs = append(n.eff.Logs, Log{Level: level, Msg: msg, Attrs: attrs})
	}
}

// ID is this node's storage identity.
func (n *Node) ID() ID { return n.id }

// Config is the configuration in force; nil: the cluster is not founded yet. It is never written to.
func (n *Node) Config() *Config { return n.config }

// ClockOff reports whether this node knows its own clock to be wrong, see clockguard.go.
func (n *Node) ClockOff() bool { return n.clockGuard.off }

// Clock is the highest timestamp that this node has issued or seen.
func (n *Node) Clock() Timestamp { return n.clock.Last() }

// Mode is what the node does for clients at the moment.
func (n *Node) Mode() Mode { return n.mode() }

// Status returns a snapshot that shares nothing with the node.
func (n *Node) Status() Status {
	s := Status{
		ID: n.id, Name: n.name, Addr: n.addr, Cluster: n.opts.Cluster,
		Mode: n.mode(), ModeReasons: n.modeReasons(), Left: n.swim.Left(),
		Started: n.started, Clock: n.clock.Last(), Members: n.swim.Members(), Config: n.config, CaughtUp: n.passed, Digest: n.digest, Keys: n.index.keys, Counters: n.counters,
	}
	s.Bootstrap = n.bootstrapStatus()
	s.Since = make([]time.Duration, 0, len(s.Members))
	s.Peers = make([]PeerStatus, 0, len(n.peers))
	for i := range s.Members {
		s.Since = append(s.Since, n.swim.Since(s.Members[i].ID))
	}
	s.LocalHealth, s.Clash, s.Retired, s.Booked = n.swim.LocalHealth(), n.clash(), n.retirement(), n.bookAfter <= n.durable && !n.booksDirty
	s.HandedOver, s.HandOver = n.handedOver()
	if s.Retired != "" {
		s.ModeReasons = []string{s.Retired}
	}
	for _, p := range n.peers {
		offset, give, measured := n.clockOffset(p)
		s.Peers = append(s.Peers, PeerStatus{
			ID: p.id, QueueEntries: p.queue.len() + len(p.inflight.entries), QueueBytes: p.queue.bytes + p.inflight.bytes,
			Dropped: p.dropped, LastAck: p.lastAck, LastEqual: p.equal, Away: n.away(p), HintsFull: p.hints.full, HintsExpired: p.hints.expired,
			ClockMeasured: measured, ClockOffset: offset, ClockError: give,
		})
	}
	return s
}
