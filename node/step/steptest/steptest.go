// Package steptest lets a test step one machine of the core alone: it has what machines share (step.Shared), a store,
// and the machine's effects so far. The test itself implements the machine's Owner.
//
// It is no world: no message is delivered, no persist becomes durable and no time passes unless the test does it. Begin
// with New and Bench.Step.
package steptest

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node/contract"
	"kvs/node/slot"
	"kvs/node/step"
	"kvs/node/swim"
	"kvs/node/voting"
	"kvs/node/wire"
	"kvs/sim/memstore"
)

// Bench is the environment of the machine under test.
type Bench struct {
	*step.Shared
	Disk    *memstore.Store
	Replies []contract.Reply // in their order, those that wait for the disk included.

	t       testing.TB
	sent    []Message
	waiting []contract.Change // not durable yet.
}

// Message is one that the machine has sent.
type Message struct {
	To    slot.ID
	After contract.PersistID
	Kind  wire.Kind
	Body  wire.Body
}

const cluster = "alone"

// New returns a bench for the member self among living peers. The member has run for an hour; no configuration is in
// force.
func New(t testing.TB, self slot.ID, peers ...slot.ID) *Bench {
	b := &Bench{t: t, Disk: memstore.New()}
	b.Shared = &step.Shared{
		Self: self, Addr: Address(self), Cluster: wire.ClusterHash(cluster), Tuning: contract.DefaultTuning(),
		Rand: rand.New(rand.NewPCG(uint64(self), 1)), Store: b.Disk, Boots: 1, Eff: &contract.Effects{},
		Now:      contract.Time{Mono: time.Hour, Wall: 1_700_000_000_000},
		LogLevel: contract.LogDebug, Hearsay: trust{},
	}
	b.Overlay.Init()
	all := []slot.ID{self}
	for _, id := range peers {
		b.AddPeer(id, Address(id), swim.Alive)
		all = append(all, id)
	}
	for _, id := range all {
		i, _ := b.RosterIndex(id)
		b.Roster = append(b.Roster[:i:i], append([]slot.Seat{{Member: id}}, b.Roster[i:]...)...)
	}
	b.Electorate = slot.NewElectorate(all)
	return b
}

// Address is where a member is reached: members with lower IDs have lower addresses.
func Address(id slot.ID) string { return fmt.Sprintf("member-%03d", uint64(id)) }

// trust believes what peers say.
type trust struct{}

func (trust) Believes(*step.Peer, slot.Timestamp) error { return nil }

// Vote puts a configuration with these voters in force.
func (b *Bench) Vote(epoch uint64, voters ...slot.ID) {
	b.InForce = &voting.Config{Epoch: epoch, Founding: slot.UUID{1}, Voters: voters}
}

// Step lets the machine do something, as in one step of its node.
func (b *Bench) Step(do func()) {
	b.t.Helper()
	*b.Eff = contract.Effects{}
	do()
	if len(b.Changes) > 0 {
		b.Persists++
		b.waiting, b.Changes = append(b.waiting, b.Changes...), nil
	}
	for _, s := range b.Eff.Sends {
		kind, from, body, err := wire.Open(s.Data, b.Cluster)
		require.NoError(b.t, err)
		require.Equal(b.t, b.Self, from)
		m, err := kind.Decode(body)
		require.NoError(b.t, err)
		b.sent = append(b.sent, Message{To: b.at(s.To), After: s.After, Kind: kind, Body: m})
	}
	b.Replies = append(b.Replies, b.Eff.Replies...)
}

func (b *Bench) at(addr string) slot.ID {
	for _, p := range b.Peers {
		if p.Addr == addr {
			return p.ID
		}
	}
	b.t.Fatalf("a message to %q, which is no peer's address", addr)
	return 0
}

// Sync makes all changes so far durable.
func (b *Bench) Sync() {
	b.t.Helper()
	require.NoError(b.t, b.Disk.Apply(b.waiting))
	b.waiting, b.Durable = nil, b.Persists
	b.Overlay.Durable(b.Durable)
}

// Pass lets time pass.
func (b *Bench) Pass(d time.Duration) {
	b.Now.Mono += d
	b.Now.Wall += d.Milliseconds()
}

// Sent returns the messages of a kind that were sent since it was called last; other kinds are kept.
func (b *Bench) Sent(kind wire.Kind) (out []Message) {
	kept := b.sent[:0]
	for _, m := range b.sent {
		if m.Kind == kind {
			out = append(out, m)
		} else {
			kept = append(kept, m)
		}
	}
	b.sent = kept
	return out
}

// Silent fails the test if messages were sent that Sent has not returned.
func (b *Bench) Silent() {
	b.t.Helper()
	require.Empty(b.t, b.sent)
}

// Receivers are the members that messages go to.
func Receivers(messages []Message) (out []slot.ID) {
	for _, m := range messages {
		out = append(out, m.To)
	}
	return out
}
