package register

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node/contract"
	"kvs/node/slot"
	"kvs/node/step"
)

// fenced is an owner of which only the fence is asked for.
type fenced struct {
	Owner
	fence slot.Timestamp
}

func (f *fenced) Fence() slot.Timestamp { return f.fence }

// A write that was accepted by a majority without its proposer learning of it, then deleted, and whose tombstone was
// dropped, must not be done once more: that nothing is there does not mean that it never was.
func TestEndedAttemptIsUnknown(t *testing.T) {
	owner := &fenced{}
	shared := &step.Shared{Electorate: slot.NewElectorate([]slot.ID{1}), Now: contract.Time{Mono: time.Hour}}
	shared.Tuning.TombstoneGrace = time.Second
	shared.Overlay.Init()
	m := New(shared, owner)
	end := slot.Record{TS: 100, UUID: slot.UUID{2}, Origin: 1, Tombstone: true}
	held := slot.Of(&end)
	shared.Overlay.Put("a", slot.Encode("a", &held), 1)

	o := &operation{Attempt: Attempt{Request: &contract.Request{Path: "a"}, UUID: slot.UUID{1}}, firstAt: time.Hour}
	require.False(t, m.mayHaveEnded(o, DescentUnknown), "no ACCEPT was sent")
	o.First = end.TS + 1
	require.False(t, m.mayHaveEnded(o, DescentUnknown), "what is there is older")
	o.First = end.TS
	require.True(t, m.mayHaveEnded(o, DescentUnknown), "a tombstone that others may have dropped")
	o.UUID = end.UUID
	require.False(t, m.mayHaveEnded(o, DescentUnknown), "its own, and there was no time for its end")
	o.firstAt -= time.Second
	require.True(t, m.mayHaveEnded(o, DescentUnknown))

	shared.Overlay.Put("a", nil, 2)
	o.UUID = slot.UUID{1}
	require.False(t, m.mayHaveEnded(o, DescentUnknown), "nothing was there, and nothing was dropped")
	owner.fence = o.First
	require.True(t, m.mayHaveEnded(o, DescentUnknown), "dropped, under a fence as high")
}
