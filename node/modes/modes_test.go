package modes

import (
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/node/contract"
	"kvs/node/step"
)

// owner is a node that is fetching its data, or not.
type owner bool

func (o *owner) Syncing() bool         { return bool(*o) }
func (o *owner) SyncingReason() string { return "fetching" }

// The gravest thing that is known decides; the reasons for being read-only stand behind it, sorted.
func TestTheGravestDecides(t *testing.T) {
	var syncing owner
	var eff contract.Effects
	m := New(&step.Shared{Eff: &eff}, &syncing, []string{contract.ReasonConfig})
	m.Set(&contract.SetReadOnly{Reason: contract.ReasonClock, On: true})
	m.Set(&contract.SetReadOnly{Reason: contract.ReasonClock, On: true})
	require.Len(t, eff.Logs, 1, "told once")
	require.Equal(t, contract.ModeReadOnly, m.Mode())
	require.Equal(t, []string{contract.ReasonClock, contract.ReasonConfig}, m.Reasons())
	syncing = true
	require.Equal(t, contract.ModeSyncing, m.Mode())
	require.Equal(t, []string{"fetching", contract.ReasonClock, contract.ReasonConfig}, m.Reasons())
	m.Fail("the disk")
	require.Equal(t, contract.ModeFailed, m.Mode())
	require.Equal(t, []string{"the disk"}, m.Reasons())
}

// Only what the operator asked for is stored, and it is stored only when its persist is durable.
func TestWhatTheOperatorAskedForIsStored(t *testing.T) {
	var syncing owner
	s := &step.Shared{Eff: &contract.Effects{}, Persists: 4, Durable: 4}
	m := New(s, &syncing, nil)
	m.Set(&contract.SetReadOnly{Reason: contract.ReasonDisk, On: true})
	require.Empty(t, s.Changes)
	m.Set(&contract.SetReadOnly{Reason: contract.ReasonOperator, On: true})
	require.Len(t, s.Changes, 1)
	require.False(t, m.Stored())
	s.Durable = 5
	require.True(t, m.Stored())
}

func TestWritesThatAModeRefuses(t *testing.T) {
	for _, c := range []struct {
		reasons  []string
		put, del contract.Code // zero: taken.
	}{
		{},
		{reasons: []string{contract.ReasonDisk}, put: contract.CodeDiskFull},
		{reasons: []string{contract.ReasonDisk, contract.ReasonDiskReserve}, put: contract.CodeDiskFull,
			del: contract.CodeDiskFull},
		{reasons: []string{contract.ReasonClock}, put: contract.CodeReadOnly, del: contract.CodeReadOnly},
		{reasons: []string{contract.ReasonClock, contract.ReasonDisk}, put: contract.CodeDiskFull,
			del: contract.CodeReadOnly},
	} {
		var syncing owner
		m := New(&step.Shared{}, &syncing, c.reasons)
		for op, want := range map[contract.OpKind]contract.Code{contract.OpPut: c.put, contract.OpDelete: c.del} {
			code, detail, refused := m.RefusesWrite(op)
			require.Equal(t, want != 0, refused, "%v", c.reasons)
			require.Equal(t, want, code, "%v", c.reasons)
			require.Equal(t, refused, detail != "")
		}
	}
}
