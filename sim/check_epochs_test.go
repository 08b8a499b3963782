package sim

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/node"
)

// message is an envelope of a kind with an epoch at an offset of its body.
func message(kind byte, offset int, epoch uint64) []byte {
	b := make([]byte, envelopeHeader+offset+8+envelopeSeal)
	b[0], b[1] = 2, kind
	binary.LittleEndian.PutUint64(b[envelopeHeader+offset:], epoch)
	return b
}

func TestEpochsFire(t *testing.T) {
	w, _ := lived(t)
	r := &w.replicas[1]
	has := storedEpoch(r.disk.store, configKey)
	require.EqualValues(t, 1, has, "the record is where it was")
	require.EqualValues(t, 1, storedEpoch(r.disk.store, passedKey))
	for kind, offset := range epochOffsets {
		require.NotEmpty(t, messageKinds[kind])
		w.violations = nil
		w.checkEpoch(r, message(kind, offset, has))
		require.Empty(t, w.violations)
		w.checkEpoch(r, message(kind, offset, has+1))
		requireBroken(t, w.violations, promisePersist, "sends "+messageKinds[kind]+" in epoch 2")
	}

	// One that has adopted the next epoch may speak in it, and has not caught up by that.
	b, _, err := r.disk.store.Get(configKey)
	require.NoError(t, err)
	next := append([]byte(nil), b...)
	binary.LittleEndian.PutUint64(next[1:], has+1)
	require.NoError(t, r.disk.store.Apply([]node.Op{{Key: configKey, Value: next}}))
	w.violations = nil
	w.checkEpoch(r, message(44, 8, has+1))
	require.Empty(t, w.violations)
	w.checkEpoch(r, message(kindPassedIs, 0, has+1))
	requireBroken(t, w.violations, promisePersist, "passed-is")
	w.violations = nil
	w.checkEpoch(r, message(41, 1, 9)[:envelopeHeader+1+envelopeSeal]) // that there is none.
	w.checkEpoch(r, []byte{2, 44})
	require.Empty(t, w.violations)
}

// What the real node sends carries its epochs where they are looked for: a store in which the configuration goes missing shows.
func TestMissingConfigurationIsFound(t *testing.T) {
	got := sabotage(t, "linearizable", " fault ", func(w *world) {
		require.NoError(t, w.replicas[1].disk.store.Apply([]node.Op{{Key: configKey}}))
	})
	for _, kind := range []string{"prepare", "look"} {
		requireBroken(t, got, promisePersist, "sends "+kind+" in epoch 1, and has epoch 0")
	}
}
