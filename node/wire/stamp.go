package wire

// Stamp numbers the envelopes that one identity seals. It rises from each to the next, restarts included: its upper
// part is the number of the start, which is on disk before anything is sent, so nothing more has to be persisted for
// it.
//
// The purpose of stamps: once a tombstone is dropped, an older version that is still in flight would bring the value
// back. Each member that acknowledges a tombstone does so in an envelope, and frames that it sealed before may hold a
// version that the tombstone had replaced. So a member that drops a tombstone refuses from then on all frames that a
// member stamped up to its acknowledgement. This is correct only if the content of a frame is not older than its stamp:
// a frame that is sent again is either identical, with its old stamp, or encoded anew from what its sender holds by
// then. Old content never gets a new stamp.
//
// There is one floor for each sender and not for each path: it costs eight bytes a member instead of a record for each
// path that ever was. A harmless frame that is refused is repeated by its sender, like a lost one.
type Stamp uint64

// StampCountBits is the lower part: so many envelopes in one run, at a million a second half a year. The upper part has
// room for a million starts.
const StampCountBits = 44

// StampOf is the stamp of an envelope: the number of the start, and the number of the envelope in it.
func StampOf(boots, sealed uint64) Stamp { return Stamp(boots<<StampCountBits | sealed) }

// StampsLeft reports whether a run may seal another envelope.
func StampsLeft(boots, sealed uint64) bool {
	return sealed < 1<<StampCountBits && boots < 1<<(64-StampCountBits)
}
