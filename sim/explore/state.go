package explore

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"slices"

	"kvs/node"
)

// state names the state that an execution is in: two executions in the same state have the same future. It is a hash, 128 bits of
// SHA-256, of all that matters: the disks' records and what waits for them, the operations in the nodes' memory, the messages on their way,
// and what the clients know. Names of messages and stamps of envelopes do not matter.
type state [16]byte

func (w *world) state() (out state) {
	b := w.scratch[:0]
	b = append(b, byte(w.crashes), byte(w.ticks))
	for i := 1; i <= w.scope.Nodes; i++ {
		m := &w.members[i]
		b = append(b, byte(m.runs), byte(m.ticks), flags(m.touched))
		b = binary.LittleEndian.AppendUint64(b, m.store.Digest("r/"))
		b = m.node.AppendOperationState(b)
		for _, p := range m.pending {
			for _, op := range p.Ops {
				b = appendBytes(appendBytes(b, []byte(op.Key)), op.Value)
			}
		}
		b = append(b, byte(len(m.held)))
		for _, s := range m.held {
			b = appendBytes(append(b, s.To...), content(s.Data))
		}
	}
	for k := range w.calls {
		c := &w.calls[k]
		b = append(b, flags(c.sent, c.over, c.lost), byte(c.response.Code), byte(c.response.Outcome))
		b = appendBytes(b, c.response.Record.Value)
	}
	flight := make([][]byte, len(w.flight))
	for i := range w.flight {
		flight[i] = append([]byte{byte(w.flight[i].from), byte(w.flight[i].to)}, content(w.flight[i].data)...)
	}
	slices.SortFunc(flight, bytes.Compare)
	for _, f := range flight {
		b = appendBytes(b, f)
	}
	w.scratch = b
	sum := sha256.Sum256(b)
	copy(out[:], sum[:])
	return out
}

func appendBytes(b, what []byte) []byte {
	return append(binary.LittleEndian.AppendUint32(b, uint32(len(what))), what...)
}

// content is a frame without its stamp and seal.
func content(frame []byte) []byte { return node.FrameContent(frame) }

func flags(list ...bool) (b byte) {
	for i, is := range list {
		if is {
			b |= 1 << i
		}
	}
	return b
}
