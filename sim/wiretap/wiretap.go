// Package wiretap is what an outsider of a network has recorded: he cannot read it, but he can send it again, as it was
// or with some bits turned.
//
// It knows no network. Begin with Tape.
package wiretap

import "math/rand/v2"

const (
	tapeMax = 512
	bitsMax = 3
)

// Tape is the last messages that were recorded. The zero Tape is empty.
type Tape[M any] struct {
	messages []M
	next     int
}

// Put records a message. When the tape is full the oldest one goes.
func (t *Tape[M]) Put(m M) {
	if len(t.messages) < tapeMax {
		t.messages = append(t.messages, m)
		return
	}
	t.messages[t.next] = m
	t.next = (t.next + 1) % tapeMax
}

// Draw returns one of them. The tape must not be empty.
func (t *Tape[M]) Draw(rng *rand.Rand) M { return t.messages[rng.IntN(len(t.messages))] }

// TurnBits returns a copy of data with one to three bits turned.
func TurnBits(rng *rand.Rand, data []byte) []byte {
	out := append([]byte(nil), data...)
	for range 1 + rng.IntN(bitsMax) {
		if len(out) > 0 {
			out[rng.IntN(len(out))] ^= 1 << rng.IntN(8)
		}
	}
	return out
}
