package slot

// Applied is a write that came with an idempotency key, and what became of it: a later attempt under the same key finds
// it here and is not applied again. Without a UUID it was refused, because its condition was false. The list travels
// with the accepted record, oldest first, and is bounded in number.
type Applied struct {
	Key UUID // of the request: see Request.entry. Those of an early kvs are all of the key's hash.
	Version
}

// AppliedMax bounds the list. No clock shortens it: after a clock's jump of an hour a write would be applied twice
// (scenario linearizable, seed 116).
const AppliedMax = 64

// remember returns the list with one write more, without the oldest if it is too long.
func Remember(list []Applied, a Applied) []Applied {
	out := make([]Applied, 0, len(list)+1)
	out = append(append(out, list...), a)
	return out[max(0, len(out)-AppliedMax):]
}

// list is the writes under idempotency keys. c may be nil.
func (c *Consensus) List() []Applied {
	if c == nil {
		return nil
	}
	return c.Applied
}
