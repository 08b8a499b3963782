package node

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node/contract"
	"kvs/node/slot"
	"kvs/node/wire"
)

// fresh gives the machines empty disks and starts them with these seeds, each at its time.
func (b *bench) fresh(seeds [][]string, at []time.Duration) {
	for i := range b.machine {
		b.crash(i)
		b.wipe(i)
	}
	b.forget()
	began := b.now
	for i := range b.machine {
		b.run(began+at[i]-b.now, nil)
		b.startWith(i, func(o *Options) { o.Seeds = seeds[i] })
	}
}

func (b *bench) allFounded() bool {
	for _, m := range b.machine {
		if m.node.InForce == nil {
			return false
		}
	}
	return true
}

// The words that lead to the first configuration.
func TestTranscriptFounding(t *testing.T) {
	b := newBench(t, 3)
	all := []string{"n1", "n2", "n3"}
	b.say = &strings.Builder{}
	b.fresh([][]string{all, all, all}, []time.Duration{0, 0, 0})
	b.run(10*time.Second, b.allFounded)
	transcript(t, b, "founding.txt")
}

// A founder that lost its disk does not found again with those that have not heard of the first founding, while
// somebody is away who has.
func TestAFounderWithoutItsDiskFoundsNothing(t *testing.T) {
	b := founded(t, 3)
	b.run(time.Second, nil) // it is on all disks.
	founding := b.machine[0].node.InForce.Founding
	for i := range 3 {
		b.crash(i)
	}
	b.add()
	b.add()
	b.wipe(0)
	expecting := func(i int) {
		b.startWith(i, func(o *Options) { o.Seeds, o.ExpectedMembers = []string{"n1", "n2", "n4"}, 3 })
	}
	expecting(1) // n4 and n5 hear of it, and of n3, before it goes.
	b.lose = func(from string, s contract.Send) bool {
		return s.Transport == contract.TransportFrame && wire.Kind(s.Data[1]) == wire.KindConfigIs
	}
	expecting(3)
	expecting(4)
	b.run(20*time.Second, nil)
	for _, i := range []int{3, 4} {
		require.Equal(t, "dead", b.state(i, b.machine[2].node.Self))
	}
	b.crash(1)
	b.lose = nil
	expecting(0)
	b.run(2*time.Minute, nil)
	for _, i := range []int{0, 3, 4} {
		require.Nil(t, b.machine[i].node.InForce, "n%d", i+1)
	}
	require.Contains(t, b.machine[0].node.configuration.NoQuorum(), "may know of a founding")
	b.start(1)
	b.run(time.Minute, func() bool {
		return b.machine[0].node.InForce != nil && b.machine[3].node.InForce != nil && b.machine[4].node.InForce != nil
	})
	require.Equal(t, founding, b.machine[0].node.InForce.Founding)
}

// Seeds may be spelled otherwise than the members' addresses: what counts is who is behind them.
func TestFoundingThroughAliases(t *testing.T) {
	b := newBench(t, 3)
	all := []string{"N1", "N2", "N3"}
	b.fresh([][]string{all, all, all}, []time.Duration{0, 20 * time.Millisecond, 40 * time.Millisecond})
	b.run(30*time.Second, b.allFounded)
	for _, m := range b.machine {
		require.Equal(t, 3, m.node.configuration.Expected())
		require.Len(t, m.node.InForce.Voters, 3)
		require.Equal(t, b.machine[0].node.InForce.Founding, m.node.InForce.Founding)
	}
}

// Members whose files disagree about who there is may each take themselves for the founder. Whatever is lost, and
// whenever they start, restart or hear of each other, there is one founding in the end, and there never were two.
func TestThereIsOneFounding(t *testing.T) {
	parties := [][][]string{
		{{"n2", "n3", "n4"}, {"n2", "n3", "n4"}, {"n2", "n3", "n4"}, {"n2", "n3", "n4"}},
		{{"n1", "n3"}, {"n2", "n3"}, {"n3", "n4"}, {"n4", "n2"}},
		{{"n4"}, {"n3", "n4"}, {"n3", "n4"}, {"N3", "N4", "N1"}},
	}
	for trial := range uint64(300) {
		rng := rand.New(rand.NewPCG(trial, 1))
		b := newBench(t, 4)
		var at []time.Duration
		for range 4 {
			at = append(at, time.Duration(rng.IntN(800))*time.Millisecond)
		}
		for i := range at {
			at[i] = max(at[i], at[max(i-1, 0)]) // they start in order.
		}
		lost := rng.IntN(40)
		b.lose = func(from string, s contract.Send) bool { return rng.IntN(100) < lost }
		foundings := map[slot.UUID]bool{}
		look := func() bool {
			for _, m := range b.machine {
				if m.node != nil && m.node.InForce != nil {
					foundings[m.node.InForce.Founding] = true
				}
			}
			return false
		}
		b.watch = func(string, *contract.Persist) { look() }
		b.fresh(parties[trial%3], at)
		for range rng.IntN(4) {
			b.run(time.Duration(rng.IntN(400))*time.Millisecond, nil)
			i := rng.IntN(4)
			b.crash(i)
			b.run(time.Duration(rng.IntN(400))*time.Millisecond, nil)
			b.startWith(i, func(o *Options) { o.Seeds = parties[trial%3][i] })
		}
		b.run(5*time.Second, nil)
		b.lose = nil
		b.run(time.Minute, b.allFounded)
		look()
		require.Len(t, foundings, 1, fmt.Sprintf("trial %d", trial))
	}
}

// A node that expects one member, and has seeds that name others, is no cluster of one: it founds none, takes itself
// for no new one and drops no tombstone before it has met them. Its own address among the seeds is no other.
func TestExpectingOneCountsWithoutSeedsAlone(t *testing.T) {
	one := func(seeds ...string) func(o *Options) {
		return func(o *Options) { o.Seeds, o.ExpectedMembers = seeds, 1 }
	}
	b := emptyBench(t)
	b.newcomers = true
	for range 3 {
		b.add()
	}
	b.startWith(1, one("n2"))
	b.run(time.Second, func() bool { return b.machine[1].node.InForce != nil })
	require.NotNil(t, b.machine[1].node.InForce, "it is a cluster of one")
	require.Equal(t, contract.CodeCreated, b.do(1, contract.OpPut, "a", "one").Code)

	b.cut = func(from, to string) bool { return true }
	b.startWith(0, one("n1", "n2")) // its address is the lowest: it would be the founder.
	b.run(5*time.Second, nil)
	require.Nil(t, b.machine[0].node.InForce)
	require.Equal(t, contract.ModeSyncing, b.machine[0].node.Mode())
	require.Contains(t, b.machine[0].node.configuration.NoQuorum(), "expected_members: 1 is for a node without seeds")
	require.Equal(t, 2, tombstonesOwner{b.machine[0].node}.MembersExpected())
	b.startWith(2, one("n1", "n2"))
	b.cut = func(from, to string) bool { return from == "n2" || to == "n2" }
	b.run(2*time.Second, nil)
	require.Equal(t, contract.ModeSyncing, b.machine[0].node.Mode(), "n3 is as empty, but n2 may have data")

	b.cut = nil
	b.run(time.Minute, func() bool { return b.allFounded() && b.shows(0, "a") != "" && b.shows(2, "a") != "" })
	for i := range b.machine {
		require.Equal(t, b.machine[1].node.InForce.Founding, b.machine[i].node.InForce.Founding)
		require.Equal(t, "one", b.shows(i, "a"))
	}
}
