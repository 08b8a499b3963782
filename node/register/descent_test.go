package register

import (
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/node/contract"
	"kvs/node/slot"
	"kvs/node/step"
	"kvs/node/wire"
)

func ballot(member slot.ID, ts slot.Timestamp) slot.Ballot {
	return slot.Ballot{Epoch: 1, TS: ts, Member: member}
}

// traced is what member 1 knows of a write that it has sent under these ballots, and whose PREPARE finds a record of
// version 500 under another one.
func traced(m *Machine, found slot.Ballot, sent ...slot.Ballot) (Descent, slot.Ballot) {
	o := &operation{Attempt: Attempt{Request: &contract.Request{Op: contract.OpPut, Path: "a"}, First: 90, Sent: sent},
		attempts: make([]attempt, len(sent))}
	r := slot.Record{TS: 500, UUID: slot.UUID{5}, Origin: found.Member}
	return m.trace(o, &Joined{Current: r, Consensus: &slot.Consensus{Promised: found, Ballot: found, Record: r}})
}

// A record is followed back, from proposer to proposer, to a ballot of the operation's own or below all of them.
func TestARecordIsFollowedBack(t *testing.T) {
	m := New(&step.Shared{Self: 1}, nil)
	tell := func(asked slot.Ballot, stretches ...wire.Stretch) {
		m.keepDescent("a", m.descents.Get("a"), func(d *descent) {
			d.note(&wire.Descended{Ballot: asked, Stretches: stretches})
		})
	}
	d, ask := traced(m, ballot(2, 300), ballot(1, 100))
	require.Equal(t, DescentUnknown, d)
	require.Equal(t, ballot(2, 300), ask, "its proposer knows")

	tell(ballot(2, 300), wire.Stretch{From: ballot(2, 250), Before: ballot(3, 200)})
	_, ask = traced(m, ballot(2, 300), ballot(1, 100))
	require.Equal(t, ballot(3, 200), ask, "and the one before it")
	_, ask = traced(m, ballot(2, 301), ballot(1, 100))
	require.Equal(t, ballot(2, 301), ask, "what was told is about no later ballot")

	tell(ballot(3, 200), wire.Stretch{From: ballot(3, 190), Before: ballot(1, 100)})
	d, _ = traced(m, ballot(2, 300), ballot(1, 100))
	require.Equal(t, DescentIn, d)
	d, _ = traced(m, ballot(2, 300), ballot(1, 110))
	require.Equal(t, DescentOut, d, "it follows an earlier record of this member")
	d, _ = traced(m, ballot(2, 300), ballot(1, 100), ballot(1, 150))
	require.Equal(t, DescentIn, d, "the first attempt got in")
	d, _ = traced(m, ballot(2, 90), ballot(1, 100))
	require.Equal(t, DescentOut, d, "all that a majority holds is older")
}

// Of what was told, the oldest goes first. What is left says nothing of the ballots that went.
func TestAStretchThatWentIsNotKnown(t *testing.T) {
	m := New(&step.Shared{Self: 1}, nil)
	var d descent
	d.note(&wire.Descended{Ballot: ballot(2, 200), Stretches: []wire.Stretch{
		{From: ballot(2, 200), Before: ballot(1, 140)}, {From: ballot(2, 100), Before: ballot(3, 50)},
	}})
	for i := range slot.Timestamp(stretchesMax - 1) {
		b := ballot(3, 1000+i)
		d.note(&wire.Descended{Ballot: b, Stretches: []wire.Stretch{{From: b, Before: ballot(2, 900)}}})
	}
	require.Len(t, d.told, stretchesMax)
	m.descents.Put("a", d, 1)
	got, ask := traced(m, ballot(2, 200), ballot(1, 140))
	require.Equal(t, DescentUnknown, got, "it was told once that 200 follows 140")
	require.Equal(t, ballot(2, 200), ask)
	got, _ = traced(m, ballot(2, 199), ballot(1, 140))
	require.Equal(t, DescentOut, got, "the ones before it are still known")
}

// Where there was nothing, a record may have been there, and its tombstone be collected: the fence tells.
func TestNothingBeforeIsNoProof(t *testing.T) {
	for name, c := range map[string]struct {
		before slot.Ballot
		want   Descent
	}{
		"nothing was collected above":  {slot.Ballot{Epoch: 1, TS: 50}, DescentOut},
		"a tombstone may have been":    {slot.Ballot{Epoch: 1, TS: 95}, DescentUnknown},
		"the members were other ones":  {slot.Ballot{Epoch: 2, TS: 50}, DescentUnknown},
		"a record of another proposer": {ballot(3, 50), DescentOut},
	} {
		m := New(&step.Shared{Self: 1}, nil)
		m.keepDescent("a", nil, func(d *descent) {
			d.note(&wire.Descended{Ballot: ballot(2, 300),
				Stretches: []wire.Stretch{{From: ballot(2, 250), Before: c.before}}})
		})
		d, _ := traced(m, ballot(2, 300), ballot(1, 100))
		require.Equal(t, c.want, d, name)
	}
	hidden := Joined{Current: slot.Record{TS: 600}, Consensus: &slot.Consensus{Ballot: ballot(2, 90),
		Record: slot.Record{TS: 500}}}
	require.False(t, hidden.bare(), "an eventual record may have been above more than this one")
}

// A stretch ends where an own record was left out.
func TestOwnRecordsThatWereLeftOut(t *testing.T) {
	m := New(&step.Shared{Self: 1}, nil)
	known := descent{own: []stretch{
		{from: ballot(1, 100), before: ballot(2, 50), upTo: ballot(1, 120)},
		{from: ballot(1, 200), before: ballot(2, 50), after: ballot(1, 110), upTo: ballot(1, 220)},
	}}
	m.descents.Put("a", known, 1)
	d, _ := traced(m, ballot(1, 220), ballot(1, 120))
	require.Equal(t, DescentOut, d, "200 follows 110")
	d, _ = traced(m, ballot(1, 220), ballot(1, 110))
	require.Equal(t, DescentIn, d)
	d, _ = traced(m, ballot(1, 220), ballot(1, 210))
	require.Equal(t, DescentIn, d)
}

// A write that did not get in is evaluated anew, unless another member may have run it.
func TestWhatDidNotGetIn(t *testing.T) {
	r := slot.Record{TS: 500, UUID: slot.UUID{5}, Origin: 2}
	j := Joined{Current: r, Top: r.TS, Foreign: r.TS, Descent: DescentOut}
	for want, o := range map[Verdict]Attempt{
		VerdictWrite:  {},
		VerdictMissed: {Elsewhere: true},
	} {
		o.Request, o.UUID, o.First = &contract.Request{Op: contract.OpPut, Path: "a"}, slot.UUID{1}, 90
		o.Ballot = ballot(1, 700)
		require.Equal(t, want, o.Decide(&j))
		o.Elsewhere, o.Since = false, 400
		require.Equal(t, VerdictMissed, o.Decide(&j), "the member that forwarded it may have")
		in := j
		in.Descent = DescentIn
		require.Equal(t, VerdictApplied, o.Decide(&in))
	}
}
