// Package outsider forges messages that an attacker, who is no member, sends in the name of one: on a network without
// TLS and sealed gossip. The attacker knows the answers of GET /status, and cannot read the messages between members.
//
// It does not send: the simulator does (sim.Forger). Begin with Forge.
package outsider

import (
	"math/rand/v2"
	"time"

	"kvs/node"
	"kvs/node/hlc"
	"kvs/node/slot"
	"kvs/node/step"
	"kvs/node/swim"
	"kvs/node/voting"
	"kvs/node/wire"
)

// Target is what the outsider knows of the cluster: the status of the member that it sends to and of the one in whose
// name it sends, and the time.
type Target struct {
	As, To  node.Status
	Cluster string
	Wall    int64         // milliseconds since the Unix epoch.
	Now     time.Duration // any monotonic time.
}

// Forge forges one message: a datagram or a frame.
func Forge(rng *rand.Rand, t *Target) (data []byte, datagram bool) {
	f := forger{rng: rng, Target: t}
	f.As.Self, f.As.Cluster = t.As.ID, wire.ClusterHash(t.Cluster)
	f.As.Founded = t.As.Config.Tag()
	f.As.Boots, f.As.Sealed = 1+rng.Uint64N(40), rng.Uint64N(1<<30)
	switch rng.IntN(4) {
	case 0:
		return f.pulse(), true
	case 1:
		return f.rumours()
	}
	kind, body := f.frame()
	return f.As.Frame(kind, body), false
}

type forger struct {
	*Target
	rng *rand.Rand
	As  step.Shared // seals in the member's name.
}

// pulse says that the member's clock is off by hours.
func (f *forger) pulse() []byte {
	g := wire.Gossip{Pulse: wire.Pulse{
		Mode: node.ModeReadOnly, Wall: f.Wall + f.rng.Int64N(1<<40), Stamp: f.rng.Uint64(), Echo: f.anyTime(), Held: 0,
		Digest: f.rng.Uint64(),
	}}
	return f.As.Frame(wire.KindGossip, &g)
}

// anyTime is a recent reading of a monotonic clock: the value of a stamp without a salt.
func (f *forger) anyTime() uint64 {
	return uint64(f.To.Started + time.Duration(f.rng.Int64N(int64(time.Minute))))
}

// rumours are those of a member with a wrong table: others are gone or have other addresses, or there are unknown
// members.
func (f *forger) rumours() (data []byte, datagram bool) {
	var known []swim.Member
	for _, m := range f.To.Members {
		switch f.rng.IntN(3) {
		case 0:
			m.State, m.GoneAt = swim.Removed, uint64(f.Wall)
		case 1:
			m.State, m.GoneAt = swim.Left, uint64(f.Wall)
		}
		if m.ID != f.As.Self {
			known = append(known, m)
		}
	}
	for range f.rng.IntN(4) {
		id := slot.ID(1 + f.rng.Uint64N(1<<62))
		known = append(known, swim.Member{
			ID: id, Name: "stranger", Addr: "stranger:1", State: swim.Left, GoneAt: 1, Born: 1,
		})
	}
	self := swim.Member{ID: f.As.Self, Name: "x", Addr: f.addr(), Born: 1, Incarnation: f.rng.Uint64N(1 << 60)}
	for _, m := range f.To.Members {
		if m.ID == f.As.Self {
			self.Name, self.Born = m.Name, m.Born
			self.Incarnation = m.Incarnation + f.rng.Uint64N(3)<<40
		}
	}
	m, err := swim.New(swim.Options{
		Config: swim.DefaultConfig(), Self: self, Seeds: []string{f.To.Addr}, Known: known, Rand: f.rng, Now: f.Now,
	})
	if err != nil {
		return nil, false
	}
	var out swim.Output
	m.Tick(f.Now, &out)
	for _, s := range out.Sends {
		if s.Stream {
			return f.As.Frame(wire.KindMemberTable, &wire.MemberTable{Swim: s.Data}), false
		}
	}
	return nil, false
}

// addr is the member's own address, or one at which the outsider listens.
func (f *forger) addr() string {
	if f.rng.IntN(2) == 0 {
		return "stranger:1"
	}
	return f.Target.As.Addr
}

// far is a timestamp days to centuries ahead.
func (f *forger) far() slot.Timestamp {
	return hlc.Make(f.Wall+(1<<27+f.rng.Int64N(1<<42)), uint16(f.rng.Uint32()))
}

// frame is a message that would do lasting harm.
func (f *forger) frame() (wire.Kind, wire.Body) {
	epoch := uint64(0)
	var voters []slot.ID
	var founding slot.UUID
	if c := f.To.Config; c != nil {
		epoch, voters, founding = c.Epoch, c.Voters, c.Founding
	}
	rec := slot.Record{TS: f.far(), UUID: slot.UUID{6: 0x40, 8: 0x80}, Origin: f.As.Self, Value: []byte("forged")}
	made := slot.Of(&rec)
	entry := wire.Entry{Path: "a", Record: slot.Encode("a", &made)}
	ballot := slot.Ballot{Epoch: epoch, TS: f.far(), Member: f.As.Self}
	number := f.rng.Uint64() >> f.rng.IntN(64)
	switch f.rng.IntN(14) {
	case 0:
		c := &voting.Config{Epoch: epoch + 1, Founding: founding, Previous: voters, Voters: []slot.ID{f.As.Self}}
		return wire.KindConfigIs, &wire.ConfigIs{Config: c}
	case 1:
		floors := []wire.Floor{{Member: f.As.Self, Stamp: wire.Stamp(f.rng.Uint64())}}
		return wire.KindCollected, &wire.Collected{Fence: f.far(), Floors: floors}
	case 2:
		floors := []wire.Floor{{Member: f.As.Self, Stamp: wire.Stamp(f.rng.Uint64())}}
		return wire.KindCollected, &wire.Collected{Floors: floors}
	case 3:
		return wire.KindReplicate, &wire.Replicate{Seq: number, Entries: []wire.Entry{entry}}
	case 4:
		return wire.KindStore, &wire.Store{Op: number, Epoch: epoch, Entry: entry}
	case 5:
		return wire.KindPrepare, &wire.Question{Round: number, Epoch: epoch, Path: "a", Ballot: ballot}
	case 6:
		q := wire.Question{Round: number, Epoch: epoch, Path: "a", Ballot: ballot}
		c := &slot.Consensus{Promised: ballot, Ballot: ballot, Record: rec}
		return wire.KindAccept, &wire.Accept{Question: q, Consensus: c}
	case 7:
		return wire.KindPassedIs, &wire.Epoch{Epoch: epoch}
	case 8:
		return wire.KindHello, &wire.Hello{Standing: wire.Standing(1 + f.rng.IntN(4)), Asks: number, Answers: number}
	case 9:
		return wire.KindReplicateAck, &wire.ReplicateAck{Seq: number}
	case 10:
		return wire.KindStored, &wire.Stored{Op: number, Epoch: epoch}
	case 11:
		return wire.KindAccepted, &wire.Accepted{Answer: wire.Answer{Round: number, Epoch: epoch, OK: true}}
	case 12:
		return wire.KindConfirmIs, &wire.ConfirmIs{Question: number, Sealed: true, Clock: f.far()}
	}
	return wire.KindCollectAnswer, &wire.CollectAnswer{Round: number, UpTo: wire.Stamp(f.rng.Uint64()), Fence: f.far()}
}
