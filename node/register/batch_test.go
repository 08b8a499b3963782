package register

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node/contract"
	"kvs/node/slot"
	"kvs/node/step"
	"kvs/node/step/steptest"
)

// The answer to an operation is about the attempt that was sent. An attempt that was made since, and not sent, because
// this member had made a higher promise by then, has a version that no member ever stores.
func TestTheAnswerIsOfTheAttemptThatWasSent(t *testing.T) {
	m := New(&step.Shared{Self: 1}, nil)
	o := &operation{Attempt: Attempt{Request: &contract.Request{Op: contract.OpPut, Path: "a"}, UUID: slot.UUID{1}}}
	nothing := Joined{}
	live := Joined{Current: slot.Record{TS: 70, UUID: slot.UUID{9}}}
	m.extend(&draft{}, o, VerdictWrite, &nothing, 50)
	// another one went last in its batch.
	m.sentOne(o, &slot.Consensus{Record: slot.Record{TS: 60, UUID: slot.UUID{2}}})
	m.extend(&draft{}, o, VerdictWrite, &live, 90) // not sent.
	found := Joined{Current: slot.Record{TS: 60, UUID: slot.UUID{2}}}
	m.extend(&draft{}, o, VerdictApplied, &found, 95)
	require.Equal(t, slot.Version{TS: 50, UUID: o.UUID}, o.result.Record.Version())
	require.Equal(t, contract.CodeCreated, o.result.Code, "that attempt found nothing")
}

// The end of a value goes alone: in a batch its tombstone would be on no disk.
func TestTheEndOfAValueIsInNoBatch(t *testing.T) {
	write := func(internal bool) *operation {
		r := &contract.Request{Op: contract.OpPut, Path: "a"}
		return &operation{Attempt: Attempt{Request: r, UUID: slot.UUID{1}}, internal: internal, deadline: 2 * time.Hour}
	}
	for _, leads := range []bool{false, true} {
		m := New(steptest.New(t, 1).Shared, nil)
		first, end, other := write(leads), write(true), write(false)
		m.turns = map[string]*turn{"a": {holder: first, waiting: []*operation{end, other}}}
		m.gather(first, &draft{}, &Joined{})
		if leads {
			require.Empty(t, first.riders)
			require.Equal(t, []*operation{end, other}, m.turns["a"].waiting)
			continue
		}
		require.Equal(t, []*operation{other}, first.riders)
		require.Equal(t, []*operation{end}, m.turns["a"].waiting)
	}
}
