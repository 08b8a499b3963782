package node

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node/contract"
	"kvs/node/hlc"
	"kvs/node/register"
	"kvs/node/schema"
	"kvs/node/slot"
)

// cost is what one linearizable operation costs. The table in docs/explanation/protocol.md says the same.
type cost struct {
	looks, prepares, accepts uint64 // questions to all voters: one round trip each.
	// changes of the path on each voter's disk; one fsync each if nothing shares it.
	persists int
	latency  time.Duration // with a millisecond a message and two an fsync.
}

// A round trip without a persist, and with one before the answer.
const (
	persistTime = 2 * time.Millisecond
	tripRead    = 2 * time.Millisecond
	tripWrite   = tripRead + persistTime
)

var (
	costFastRead     = cost{looks: 1, latency: tripRead}
	costIdentityRead = cost{looks: 1, prepares: 1, accepts: 1, persists: 1, latency: 2*tripRead + tripWrite}
	costWrite        = cost{prepares: 1, accepts: 1, persists: 1, latency: tripRead + tripWrite}
	// the next of the same member, if no other has written meanwhile: the ballot stands.
	costDirect  = cost{accepts: 1, persists: 1, latency: tripWrite}
	costRefused = cost{prepares: 1, latency: tripRead}
	// A ballot travels alone, so the clock's bound has to be on disk before it: the first write in a second waits for
	// that as well. So do voters with the first promise, until the bound of their promises is.
	costWriteAfterPause  = cost{prepares: 1, accepts: 1, persists: 1, latency: persistTime + 2*tripWrite}
	costDirectAfterPause = cost{accepts: 1, persists: 1, latency: persistTime + tripWrite}
)

// costs runs one operation on member i, with all bounds well ahead, and wants its answer and its price, on every
// voter that is up.
func (b *bench) costs(i int, op contract.OpKind, c contract.Condition, code contract.Code,
	want cost) contract.Response {
	b.t.Helper()
	b.doLinear(i, contract.OpPut, fmt.Sprint("bound", b.nextReq), "", always) // of the clock, and of the promises.
	b.run(50*time.Millisecond, nil)
	return b.costsNow(i, op, c, code, want)
}

func (b *bench) costsNow(i int, op contract.OpKind, c contract.Condition, code contract.Code,
	want cost) contract.Response {
	b.t.Helper()
	const path = "a"
	persists := map[string]int{}
	b.watch = func(at string, p *contract.Persist) {
		for _, o := range p.Changes {
			if o.Key == schema.RecordKey(path) {
				persists[at]++
			}
		}
	}
	before, from := b.machine[i].node.Counters, b.now
	id := b.linear(i, op, path, fmt.Sprint(b.nextReq), c)
	b.run(10*time.Second, func() bool { _, ok := b.machine[i].replies[id]; return ok })
	took, after := b.now-from, b.machine[i].node.Counters
	b.run(100*time.Millisecond, nil) // those who were not waited for.
	b.watch = nil
	require.Equal(b.t, code, b.machine[i].replies[id].Code)
	got := cost{
		looks: after.RoundLooks - before.RoundLooks, prepares: after.RoundPrepares - before.RoundPrepares,
		accepts: after.RoundAccepts - before.RoundAccepts,
		latency: took,
	}
	for _, m := range b.machine {
		if m.replica.Up() {
			got.persists = persists[m.name]
			require.Equal(b.t, want, got, "%s on %s, as seen on %s", op, b.machine[i].name, m.name)
		}
	}
	return b.machine[i].replies[id]
}

// What an operation costs in round trips and persists does not change unnoticed.
func TestRoundCosts(t *testing.T) {
	b := founded(t, 3)
	b.run(2*time.Second, nil) // the configuration is on all disks.
	absent := contract.Condition{Kind: contract.IfNoneMatch, Any: true}
	b.costs(0, contract.OpGet, always, contract.CodeNotFound, costFastRead)
	b.costs(1, contract.OpDelete, always, contract.CodeOK, costRefused) // there is nothing to delete.
	b.costs(0, contract.OpPut, absent, contract.CodeCreated, costWrite)
	for i := range b.machine {
		b.costs(i, contract.OpGet, always, contract.CodeOK, costFastRead)
	}
	b.costs(1, contract.OpPut, absent, contract.CodePrecondition, costRefused)
	written := b.costs(2, contract.OpPut, always, contract.CodeOK, costWrite).Record
	version := written.Version()
	b.costs(1, contract.OpPut, contract.Condition{Kind: contract.IfMatch, Versions: []slot.Version{version}},
		contract.CodeOK, costWrite)
	b.costs(2, contract.OpPut, contract.Condition{Kind: contract.IfMatch, Versions: []slot.Version{version}},
		contract.CodePrecondition, costRefused)

	b.costs(0, contract.OpPut, always, contract.CodeOK, costWrite)
	for range 3 { // alone since: the ballot stands.
		b.costs(0, contract.OpPut, always, contract.CodeOK, costDirect)
	}
	b.costs(0, contract.OpDelete, always, contract.CodeOK, costDirect)
	b.costs(0, contract.OpPut, always, contract.CodeCreated, costDirect)
	last := b.costs(0, contract.OpGet, always, contract.CodeOK, costFastRead).Record // it looks, and the ballot stands.
	// a condition is evaluated on what a majority shows, because "a" is under no strong prefix.
	b.costs(0, contract.OpPut, contract.Condition{Kind: contract.IfMatch, Versions: []slot.Version{last.Version()}},
		contract.CodeOK, costWrite)

	require.Equal(t, contract.CodeOK, b.do(2, contract.OpPut, "a", "eventual").Code)
	b.run(time.Minute, b.same)
	b.costs(0, contract.OpGet, always, contract.CodeOK, costIdentityRead) // it makes chosen what no round has chosen.
	b.costs(1, contract.OpGet, always, contract.CodeOK, costFastRead)
	require.Equal(t, contract.CodeOK, b.do(0, contract.OpPut, "a", "eventual again").Code)
	b.run(time.Minute, b.same)
	// so does a refusal, before it is answered.
	b.costs(1, contract.OpPut, absent, contract.CodePrecondition, costWrite)

	b.costs(0, contract.OpDelete, always, contract.CodeOK, costWrite)
	b.costs(2, contract.OpGet, always, contract.CodeNotFound, costFastRead)

	b.run(2*hlc.BoundWindowMillis*time.Millisecond, nil)
	b.costsNow(0, contract.OpPut, always, contract.CodeCreated, costDirectAfterPause)
	b.costsNow(0, contract.OpPut, always, contract.CodeOK, costDirect)

	b.run(2*register.StandingAgeMax, nil)
	// a version is nearly as young as its write: an old ballot stands no more.
	b.costsNow(0, contract.OpPut, always, contract.CodeOK, costWriteAfterPause)
}

// The only voter decides alone: a write is one persist, which stores the path once and lists nothing for later, and a
// condition that does not hold writes nothing.
func TestRoundCostsOfTheOnlyVoter(t *testing.T) {
	alone := cost{prepares: 1, accepts: 1, persists: 1, latency: persistTime}
	refused := cost{prepares: 1}
	absent := contract.Condition{Kind: contract.IfNoneMatch, Any: true}
	b := founded(t, 1)
	b.run(2*time.Second, nil)
	b.costs(0, contract.OpDelete, always, contract.CodeOK, refused)
	b.costs(0, contract.OpPut, absent, contract.CodeCreated, alone)
	_, found, err := b.machine[0].store.Get(schema.PrefixTombstone + "a")
	require.NoError(t, err)
	require.False(t, found, "a value is no tombstone, and no mere promise")
	b.costs(0, contract.OpPut, absent, contract.CodePrecondition, refused)
	for range 3 {
		b.costs(0, contract.OpPut, always, contract.CodeOK, alone)
	}
	require.Equal(t, contract.CodeOK, b.do(0, contract.OpPut, "a", "eventual").Code)
	b.costs(0, contract.OpGet, always, contract.CodeOK, cost{looks: 1, prepares: 1, accepts: 1, persists: 1,
		latency: persistTime})
	b.costs(0, contract.OpGet, always, contract.CodeOK, cost{looks: 1})
	b.costs(0, contract.OpDelete, always, contract.CodeOK, alone)
}

// A member that has just died costs the others nothing, whoever it was: there is no leader, all voters are asked at
// once, and the first majority decides. The others do not know of the death yet.
func TestRoundCostsAfterADeath(t *testing.T) {
	for dead := range 3 {
		b := founded(t, 3)
		b.run(2*time.Second, nil)
		b.costs(dead, contract.OpPut, always, contract.CodeCreated, costWrite)
		b.crash(dead)
		for i := range b.machine {
			if i != dead {
				b.costs(i, contract.OpGet, always, contract.CodeOK, costFastRead)
				b.costs(i, contract.OpPut, always, contract.CodeOK, costWrite)
				for _, p := range b.machine[i].node.Peers {
					require.False(t, p.Dead(), "or this shows nothing")
				}
			}
		}
	}
}
