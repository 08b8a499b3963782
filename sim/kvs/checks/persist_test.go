package checks

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/node"
	"kvs/node/schema"
	"kvs/node/slot"
	"kvs/node/wire"
	"kvs/sim"
)

func TestPersistCheck(t *testing.T) {
	slot := slot.Of(&node.Record{TS: 7, UUID: node.UUID{1}, Origin: 1})
	early := newPersistCheck(bare(t))
	early.stored(2, 2, "p", &slot)
	requireBroken(t, early.w.Violations(), promisePersist, "does not have it on disk")

	inOrder := newPersistCheck(bare(t))
	inOrder.stored(1, 1, "p", &slot)
	inOrder.stored(2, 2, "p", &slot)
	require.Empty(t, inOrder.w.Violations())
}

func TestSpeakingBeforeTheStartIsDurableIsFound(t *testing.T) {
	w, _ := lived(t)
	r := &w.Replicas[1]
	say := func() {
		w.Say(r.Replica, sim.Send{To: sim.Address(2), Data: []byte("x")})
	}
	say()
	require.Empty(t, w.Violations())
	r.Booted = false
	say()
	requireBroken(t, w.Violations(), promisePersist, "before its start")
}

// message is an envelope of a kind that carries an epoch.
func message(kind byte, epoch uint64) []byte {
	offset := epochOffsets[kind]
	b := make([]byte, offset+8+envelopeSeal)
	b[0], b[1] = 2, kind
	binary.LittleEndian.PutUint64(b[offset:], epoch)
	return b
}

func TestEpochsFire(t *testing.T) {
	w, _ := lived(t)
	c, r := newEpochCheck(w.World), &w.Replicas[1]
	has := storedEpoch(r.Store(), schema.KeyConfig)
	require.EqualValues(t, 1, has, "the record is where it was")
	require.EqualValues(t, 1, storedEpoch(r.Store(), schema.KeyPassed))
	for kind, offset := range epochOffsets {
		if offset == 0 {
			continue
		}
		w.TakeViolations()
		c.sent(r, message(byte(kind), has))
		require.Empty(t, w.Violations())
		c.sent(r, message(byte(kind), has+1))
		requireBroken(t, w.Violations(), promisePersist, "sends "+wire.Kind(kind).String()+" in epoch 2")
	}

	// One that has adopted the next epoch may speak in it, and has not caught up by that.
	b, _, err := r.Store().Get(schema.KeyConfig)
	require.NoError(t, err)
	next := append([]byte(nil), b...)
	binary.LittleEndian.PutUint64(next[1:], has+1)
	require.NoError(t, r.Store().Apply([]node.Change{{Key: schema.KeyConfig, Value: next}}))
	w.TakeViolations()
	c.sent(r, message(44, has+1))
	require.Empty(t, w.Violations())
	c.sent(r, message(kindPassedIs, has+1))
	requireBroken(t, w.Violations(), promisePersist, "passed-is")
	w.TakeViolations()
	c.sent(r, message(41, 9)[:envelopeHeader+1+envelopeSeal]) // that there is none.
	c.sent(r, []byte{2, 44})
	require.Empty(t, w.Violations())
}

// What the real node sends carries its epochs where they are looked for: a store in which the configuration goes
// missing shows. Which messages a node sends just then depends on the seed.
func TestMissingConfigurationIsFound(t *testing.T) {
	var got []sim.Violation
	sent := func(kind string) bool {
		return slices.ContainsFunc(got, func(v sim.Violation) bool {
			return v.Promise == promisePersist &&
				strings.Contains(v.Detail, "sends "+kind+" in epoch 1, and has epoch 0")
		})
	}
	all := func() bool { return sent("prepare") && sent("look") && sent("promised") }
	for seed := uint64(3); seed < 23 && !all(); seed++ {
		got = append(got, sabotageSeed(t, seed, "duelling-proposers", " fault ", func(w *judged) {
			require.NoError(t, w.Replicas[1].Store().Apply([]node.Change{{Key: schema.KeyConfig}}))
		})...)
	}
	for _, kind := range []string{"prepare", "look", "promised"} {
		require.True(t, sent(kind), kind)
	}
}
