package sim

import (
	"math/rand/v2"

	"kvs/sim/hash"
)

// Streams of randomness: each part of the world draws from its own, so that one more draw here does not change
// everything there.
const (
	streamWorld  = 1
	streamNet    = 2
	streamClient = 3
	streamCore   = 4
	streamLoad   = 1 << 16 // plus the number of the client.
	streamReads  = 1 << 17 // plus the number of the replica: which reads of a disk fail.
	streamNode   = 1 << 24 // plus number and run of the replica.
)

// derive returns the stream with a number. SplitMix64 makes both words of PCG's state, so that neighbouring seeds and
// streams are unrelated.
func (w *World) derive(stream uint64) *rand.Rand {
	return rand.New(rand.NewPCG(hash.SplitMix(w.seed), hash.SplitMix(w.seed^hash.SplitMix(stream))))
}

// Rand is the stream of operators, replicas, disks and crashes.
func (w *World) Rand() *rand.Rand { return w.rng }

// ClientRand is the stream of all clients during the run.
func (w *World) ClientRand() *rand.Rand { return w.clientRNG }

// LoadRand returns a fresh stream of the client with a number, for the operations that it draws.
func (w *World) LoadRand(client int) *rand.Rand { return w.derive(streamLoad + uint64(client)) }

// Rand returns a fresh stream of the present run of the process.
func (r *Replica) Rand() *rand.Rand {
	return r.world.derive(streamNode + uint64(r.Number)<<32 + uint64(r.run))
}
