package bootstrap

import (
	"fmt"
	"kvs/node/codec"
	"kvs/node/contract"
	"kvs/node/schema"
	"kvs/node/slot"
	"kvs/node/step"
	"kvs/node/wire"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// oneRecord is a store with nothing but the record of a bootstrap.
type oneRecord []byte

func (o oneRecord) Get(key string) ([]byte, bool, error) { return o, key == schema.KeyBootstrap, nil }

func (o oneRecord) Scan(string, string, func(string, []byte) bool) error { return nil }

func TestBootstrapRecordRefusesJunk(t *testing.T) {
	m := New(&step.Shared{}, nil)
	plan := wire.Bands{Keys: 10, Bytes: 1000, Bounds: []slot.Timestamp{77, 5, 0}}
	m.newcomer = newcomer{phase: phasePulling, plan: plan, cursor: cursor{3, 300, 1, "a/b"}}
	m.note()
	good := m.Changes[len(m.Changes)-1].Value
	want, err := os.ReadFile("testdata/bootstrap-v1.hex")
	require.NoError(t, err)
	require.Equal(t, string(want), fmt.Sprintf("%x\n", good), "data of former versions would not be understood")
	recoverFrom := func(v []byte) error {
		shared := &step.Shared{Store: oneRecord(v), Eff: &contract.Effects{}, Tuning: contract.DefaultTuning()}
		fresh := New(shared, nil)
		err := fresh.Recover()
		if err == nil {
			require.Equal(t, m.newcomer.plan, fresh.newcomer.plan)
			require.Equal(t, m.newcomer.cursor, fresh.newcomer.cursor)
		}
		return err
	}
	require.NoError(t, recoverFrom(good))
	for i := range good {
		bad := append([]byte{}, good...)
		bad[i] ^= 1
		require.ErrorIs(t, recoverFrom(bad), codec.ErrCorrupt)
		require.ErrorIs(t, recoverFrom(good[:i]), codec.ErrCorrupt)
	}
	reseal := func(change func(b []byte) []byte) []byte {
		return schema.Seal(schema.KeyBootstrap, change(append([]byte{}, good[:len(good)-4]...)))
	}
	require.ErrorIs(t, recoverFrom(reseal(func(b []byte) []byte { return append(b, 0) })), codec.ErrCorrupt)
	phase := func(b []byte) []byte { b[1] = 9; return b }
	require.ErrorIs(t, recoverFrom(reseal(phase)), codec.ErrCorrupt, "an unknown phase")
	band := func(b []byte) []byte { b[19] = 3; return b }
	require.ErrorIs(t, recoverFrom(reseal(band)), codec.ErrCorrupt, "a band beyond the plan")
}
