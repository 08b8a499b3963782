package configuration

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/node/contract"
	"kvs/node/schema"
	"kvs/node/slot"
	"kvs/node/wire"
)

// holds puts a slot on the disk of the member under test.
func (a *alone) holds(path string, c *slot.Consensus) {
	s := slot.Slot{Consensus: c}
	require.NoError(a.t, a.Disk.Apply([]contract.Change{{Key: schema.RecordKey(path), Value: slot.Encode(path, &s)}}))
}

// blindOn reports whether the member knows that it is blind on a path.
func (a *alone) blindOn(path string) bool {
	_, s, err := a.Bench.CurrentSlot(path)
	require.NoError(a.t, err)
	return s.Consensus != nil && s.Consensus.Blind
}

// catchesUp lets the machine catch up with former voters. Each of them holds nothing, and says whether it is blind on a
// path. It returns which were asked.
func (a *alone) catchesUp(path string, blind []slot.ID) (asked []slot.ID) {
	for range 10 {
		sent := a.Sent(wire.KindCatchRange)
		if len(sent) == 0 {
			break
		}
		q := sent[len(sent)-1]
		asked = append(asked, q.To)
		answer := &wire.CatchKeys{Round: q.Body.(*wire.CatchRange).Round}
		if slices.Contains(blind, q.To) {
			answer.Keys = append(answer.Keys, wire.HeldVersion{Path: path})
		}
		a.Step(func() { a.say(a.HandleCatchKeys(a.peer(q.To), answer)) })
	}
	a.Sync()
	return asked
}

func TestSightAfterCatchingUp(t *testing.T) {
	const p = "p"
	here := &slot.Consensus{Blind: true, Promised: slot.Ballot{Epoch: 4, TS: 9}}
	now := &slot.Consensus{Blind: true, Promised: slot.Ballot{Epoch: 5, TS: 9}}
	ids := func(id ...slot.ID) []slot.ID { return id }
	for name, c := range map[string]struct {
		former []slot.ID // the member under test is 1.
		holds  *slot.Consensus
		blind  []slot.ID // of them.
		asked  []slot.ID
		ends   bool // blind.
	}{
		"all see":                        {ids(2, 3, 4), nil, nil, ids(2, 3), false},
		"one of three is blind":          {ids(2, 3, 4), nil, ids(2), ids(2, 3, 4), false},
		"two of three are":               {ids(2, 3, 4), nil, ids(2, 4), ids(2, 3, 4), true},
		"one of two is blind":            {ids(2, 3), nil, ids(3), ids(2, 3), false},
		"both are":                       {ids(2, 3), nil, ids(2, 3), ids(2, 3), true},
		"this one sees":                  {ids(1, 2, 3), nil, ids(2), ids(2, 3), false},
		"this one is blind, they see":    {ids(1, 2, 3), here, nil, ids(2, 3), false},
		"one of two, and the other sees": {ids(1, 2), here, nil, ids(2), false},
		"and the other is blind":         {ids(1, 2), here, ids(2), ids(2), true},
		"blind since this epoch":         {ids(1, 2), now, nil, ids(2), true},
	} {
		a := newAlone(t, 1, 2, 3, 4)
		if c.holds != nil {
			a.holds(p, c.holds)
		}
		next := config(5, 1, 2, 3, 4)
		next.Previous = c.former
		a.Step(func() { a.tell(2, next) })
		a.Sync()
		require.Equal(t, c.asked, a.catchesUp(p, c.blind), name)
		require.Equal(t, uint64(5), a.Bench.CaughtUp, name)
		require.Equal(t, c.ends, a.blindOn(p), name)
	}
}

// A former voter says where it is blind, by a version of zero beside what it holds.
func TestAFormerVoterSaysWhereItIsBlind(t *testing.T) {
	a := newAlone(t, 1, 2)
	a.adopts(2, config(5, 1, 2))
	rec := slot.Record{TS: 7, UUID: slot.UUID{1}, Value: []byte("v")}
	b := slot.Ballot{Epoch: 4, TS: 7, Member: 1}
	a.holds("blind", &slot.Consensus{Blind: true, Promised: b, Ballot: b, Record: rec})
	a.holds("sees", &slot.Consensus{Promised: b, Ballot: b, Record: rec})
	require.NoError(t, a.Disk.Apply([]contract.Change{{Key: schema.RecordKey("rotten"), Value: []byte{1, 2, 3}}}))
	a.Step(func() { a.say(a.HandleCatchRange(a.peer(2), &wire.CatchRange{Round: 1, Epoch: 5})) })
	sent := a.Sent(wire.KindCatchKeys)
	require.Len(t, sent, 1)
	var zero, held []string
	for _, k := range sent[0].Body.(*wire.CatchKeys).Keys {
		if k.Version == (slot.Version{}) {
			zero = append(zero, k.Path)
		} else {
			held = append(held, k.Path)
		}
	}
	require.Equal(t, []string{"blind", "rotten"}, zero)
	require.Equal(t, []string{"blind", "sees"}, held)
}
