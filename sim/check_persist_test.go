package sim

import (
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/node"
)

func TestPersistCheck(t *testing.T) {
	slot := node.SlotOf(&node.Record{TS: 7, UUID: node.UUID{1}, Origin: 1})
	early := newPersistCheck()
	early.stored(2, 2, "p", &slot)
	requireBroken(t, early.violations, promisePersist, "does not have it on disk")

	inOrder := newPersistCheck()
	inOrder.stored(1, 1, "p", &slot)
	inOrder.stored(2, 2, "p", &slot)
	require.Empty(t, inOrder.violations)
}

func TestSpeakingBeforeTheStartIsDurableIsFound(t *testing.T) {
	w, _ := lived(t)
	r := &w.replicas[1]
	say := func() {
		w.eff.Reset()
		w.eff.Sends = append(w.eff.Sends, node.Send{To: address(2), Data: []byte("x")})
		w.carryOut(r)
	}
	say()
	require.Empty(t, w.violations)
	r.booted = false
	say()
	requireBroken(t, w.violations, promisePersist, "before its start")
}
