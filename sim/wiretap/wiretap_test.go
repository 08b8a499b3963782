package wiretap

import (
	"math/bits"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTapeKeepsTheLast(t *testing.T) {
	var tape Tape[int]
	for i := range 3 * tapeMax {
		tape.Put(i)
	}
	rng := rand.New(rand.NewPCG(1, 1))
	for range 1000 {
		require.GreaterOrEqual(t, tape.Draw(rng), 2*tapeMax)
	}
}

func TestTurnedBits(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	data := []byte("message")
	for range 1000 {
		turned, changed := TurnBits(rng, data), 0
		for i := range data {
			changed += bits.OnesCount8(data[i] ^ turned[i])
		}
		require.LessOrEqual(t, changed, bitsMax)
	}
	require.Equal(t, "message", string(data))
	require.Empty(t, TurnBits(rng, nil))
}
