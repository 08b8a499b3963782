package explore

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"slices"
)

// state names the state that an execution is in: two executions in the same state have the same future. It is a hash,
// 128 bits of SHA-256, of everything that matters: the disks and the pending persists, the machines' memory, the
// messages in flight, and the states of clients and checkers.
type state [16]byte

func (w *world) state() (out state) {
	b := w.scratch[:0]
	b = append(b, byte(w.crashes), byte(w.ticks), byte(w.passes))
	for i := 1; i <= w.scope.Nodes; i++ {
		b = w.appendMember(b, i)
	}
	for k := range w.calls {
		c := &w.calls[k]
		b = append(b, flags(c.sent, c.over), byte(c.answer.Status))
		b = appendBytes(b, []byte(c.answer.Output+c.answer.Err))
		b = appendBytes(b, c.answer.Value)
	}
	flight := make([][]byte, len(w.flight))
	for i := range w.flight {
		f := &w.flight[i]
		flight[i] = append([]byte{byte(f.From), byte(f.To)}, w.guide.Content(f.Data)...)
	}
	slices.SortFunc(flight, bytes.Compare)
	for _, f := range flight {
		b = appendBytes(b, f)
	}
	b = w.AppendChecks(b)
	w.scratch = b
	sum := sha256.Sum256(b)
	copy(out[:], sum[:])
	return out
}

func (w *world) appendMember(b []byte, i int) []byte {
	m, r := &w.members[i], w.World().Replica(i)
	b = append(b, byte(m.crashes), byte(m.ticks), flags(m.touched))
	b = binary.LittleEndian.AppendUint64(b, r.Store().Digest(w.guide.Disk()))
	b = w.AppendState(b, i)
	for _, p := range r.Queued() {
		for _, c := range p.Changes {
			b = appendBytes(appendBytes(b, []byte(c.Key)), c.Value)
		}
	}
	for _, s := range w.Held(i) {
		if !w.guide.Upkeep(s.Transport, s.Data) {
			b = appendBytes(append(b, s.To...), w.guide.Content(s.Data))
		}
	}
	return b
}

func appendBytes(b, what []byte) []byte {
	return append(binary.LittleEndian.AppendUint32(b, uint32(len(what))), what...)
}

func flags(list ...bool) (b byte) {
	for i, is := range list {
		if is {
			b |= 1 << i
		}
	}
	return b
}
