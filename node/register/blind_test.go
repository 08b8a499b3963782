package register

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node/contract"
	"kvs/node/slot"
	"kvs/node/step/steptest"
	"kvs/node/swim"
	"kvs/node/wire"
)

// caught is an owner that knows which voters have caught up.
type caught struct {
	willing
	up    map[slot.ID]bool
	asked int
}

func (c *caught) HasPassed(id slot.ID) bool { return c.up[id] }
func (c *caught) AskPassed()                { c.asked++ }

func ids(id ...slot.ID) []slot.ID { return id }

// upTo is the first voters, which begin with 2.
func upTo(last slot.ID) []slot.ID { return ids(2, 3, 4, 5, 6)[:last-1] }

// Rounds of a member that does not vote, with voters that see and voters that are blind.
func TestHowManyHaveToSee(t *testing.T) {
	for name, c := range map[string]struct {
		voters, see, blind []slot.ID // the voters are 2, 3, 4, ...
		dead, behind       []slot.ID
		accepts            bool
	}{
		"one of two":                      {upTo(3), upTo(2), ids(3), nil, nil, true},
		"none of two":                     {upTo(3), nil, ids(2, 3), nil, nil, false},
		"one of two, not caught up":       {upTo(3), upTo(2), ids(3), nil, ids(2), false},
		"two of three":                    {upTo(4), upTo(3), ids(4), nil, nil, true},
		"one of three":                    {upTo(4), upTo(2), ids(3, 4), nil, nil, false},
		"one of three, and one is dead":   {upTo(4), upTo(2), ids(3), ids(4), nil, false},
		"two of four":                     {upTo(5), upTo(3), ids(4, 5), nil, nil, true},
		"two of four, and one is dead":    {upTo(5), upTo(3), ids(4), ids(5), nil, true},
		"one of four":                     {upTo(5), upTo(2), ids(3, 4, 5), nil, nil, false},
		"two of four, but two are dead":   {upTo(5), upTo(3), nil, ids(4, 5), nil, false},
		"two of five, all others blind":   {upTo(6), upTo(3), ids(4, 5, 6), nil, nil, false},
		"three of five, all others blind": {upTo(6), upTo(4), ids(5, 6), nil, nil, true},
	} {
		b := steptest.New(t, 1, 2, 3, 4, 5, 6)
		b.Vote(7, c.voters...)
		owner := &caught{up: map[slot.ID]bool{}}
		for _, id := range c.voters {
			owner.up[id] = true
		}
		for _, id := range c.behind {
			owner.up[id] = false
		}
		for _, id := range c.dead {
			b.Peer(id).State = swim.Dead
		}
		m := New(b.Shared, owner)
		b.Step(func() {
			m.Begin(&contract.Request{ID: 1, Op: contract.OpPut, Level: contract.Linearizable, Path: "a",
				Deadline: b.Now.Mono + time.Minute})
		})
		bar := slot.Ballot{Epoch: 7, TS: b.HLC.Last() + 1000}
		blind := slot.Slot{Consensus: &slot.Consensus{Blind: true, Promised: bar}}
		answer := func() {
			asked := b.Sent(wire.KindPrepare)
			require.NotEmpty(t, asked, name)
			q := asked[0].Body.(*wire.Question)
			for _, id := range c.blind {
				b.Step(func() {
					a := &wire.Promised{Answer: wire.Answer{Round: q.Round, Epoch: 7, Promised: bar}}
					a.Record = slot.Encode("a", &blind)
					require.NoError(t, m.HandlePromised(b.Peer(id), a))
				})
			}
			for _, id := range c.see {
				b.Step(func() {
					a := &wire.Promised{Answer: wire.Answer{Round: q.Round, Epoch: 7, OK: true, Promised: q.Ballot}}
					require.NoError(t, m.HandlePromised(b.Peer(id), a))
				})
			}
		}
		answer()
		if c.accepts && len(c.see) <= len(c.voters)/2 {
			answer() // under a ballot that the blind accept.
		}
		if len(c.behind) > 0 {
			answer()
			require.Positive(t, owner.asked, name)
		}
		sent := b.Sent(wire.KindAccept)
		require.Equal(t, c.accepts, len(sent) > 0, name)
		if c.accepts && len(c.see) <= len(c.voters)/2 {
			require.Positive(t, sent[0].Body.(*wire.Accept).Ballot.Compare(bar), name)
		}
		if len(c.behind) > 0 { // now it has caught up, and is asked once more.
			owner.up[c.behind[0]] = true
			b.Pass(time.Second)
			b.Step(m.Tick)
			answer()
			require.NotEmpty(t, b.Sent(wire.KindAccept), name)
		}
	}
}
