package slot

// Applied is the outcome of a write with an idempotency key: a later attempt under the same key finds it here and is
// not applied again. Without a UUID it was refused, because its condition was false. The list travels with the accepted
// record, oldest first, and is bounded in number.
type Applied struct {
	Key UUID // of the request: see Request.entry. Entries of an early kvs have the whole hash of the key.
	Version
}

// AppliedMax bounds the list. It is not bounded by time: after a clock's jump of an hour a write would be applied twice
// (scenario linearizable, seed 116).
const AppliedMax = 64

// Remember returns the list with one more write, without the oldest if it is too long.
func Remember(list []Applied, a Applied) []Applied {
	out := make([]Applied, 0, len(list)+1)
	out = append(append(out, list...), a)
	return out[max(0, len(out)-AppliedMax):]
}

// List is the writes under idempotency keys. c may be nil.
func (c *Consensus) List() []Applied {
	if c == nil {
		return nil
	}
	return c.Applied
}
