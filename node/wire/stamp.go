package wire

// Stamp numbers the envelopes that one identity seals. It rises from each to the next, restarts included: its upper
// part is the number of the start, which is on disk before anything is said, so nothing more has to be persisted for
// it.
//
// What stamps are for: once a tombstone is dropped, an older version that is still under way would bring the value
// back. Each member that acknowledges a tombstone does so in an envelope, and whatever it sealed before may hold what
// the tombstone had replaced. So a member that drops a tombstone refuses from then on all frames that a member stamped
// up to its acknowledgement. This is right only if a frame holds nothing older than its stamp says: a frame that is
// sent again is either the very same, with its old stamp, or encoded anew from what its sender holds by then. Never an
// old content under a new stamp.
//
// The floor is one for a sender and not one for a path: it costs eight bytes a member instead of a record for each path
// that ever was. A frame that is refused although it would do no harm is repeated by its sender, like one that got
// lost.
type Stamp uint64

// StampCountBits is the lower part: so many envelopes in one run, at a million a second half a year. The upper part has
// room for a million starts.
const StampCountBits = 44

// StampOf is the stamp of an envelope: the number of the start, and the number of the envelope in it.
func StampOf(boots, sealed uint64) Stamp { return Stamp(boots<<StampCountBits | sealed) }

// StampsLeft reports whether a run may seal one envelope more.
func StampsLeft(boots, sealed uint64) bool {
	return sealed < 1<<StampCountBits && boots < 1<<(64-StampCountBits)
}
