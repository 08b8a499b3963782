package register

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node/contract"
	"kvs/node/slot"
	"kvs/node/step/steptest"
	"kvs/node/wire"
)

// willing is the owner of a machine that may do anything.
type willing struct{ Owner }

func (willing) NoQuorum() string       { return "" }
func (willing) Fence() slot.Timestamp  { return 0 }
func (willing) HasPassed(slot.ID) bool { return false }

// What waited while this process stood still is not executed when it goes on and an answer comes before the first Tick:
// the clients have given up.
func TestWhatIsLateIsNotProposed(t *testing.T) {
	b := steptest.New(t, 1, 2, 3)
	b.Vote(1, 2, 3) // the member itself has no say: all that counts are the answers below.
	m := New(b.Shared, willing{})
	put := func(id uint64, key slot.UUID) {
		b.Step(func() {
			m.Begin(&contract.Request{ID: id, Op: contract.OpPut, Level: contract.Linearizable, Path: "a", Key: key,
				Deadline: b.Now.Mono + 10*time.Second})
		})
	}
	put(1, slot.UUID{})
	put(2, slot.UUID{7})
	asked := b.Sent(wire.KindPrepare)
	require.Len(t, asked, 2)
	q := asked[0].Body.(*wire.Question)
	promise := func(from slot.ID) {
		b.Step(func() {
			require.NoError(t, m.HandlePromised(b.Peer(from), &wire.Promised{
				Answer: wire.Answer{Round: q.Round, Epoch: 1, OK: true, Promised: q.Ballot}}))
		})
	}
	promise(2)
	b.Pass(time.Minute)
	put(3, slot.UUID{})
	promise(3)
	require.Empty(t, b.Sent(wire.KindAccept), "it is executed")
	require.Len(t, b.Replies, 2)
	for i, r := range b.Replies {
		require.Equal(t, uint64(i+1), r.ID)
		require.Equal(t, contract.CodeOverloaded, r.Code)
		require.Equal(t, contract.OutcomeNotApplied, r.Outcome)
	}
	require.Len(t, b.Sent(wire.KindPrepare), 2, "the third one is in time, and its turn has come")
}
