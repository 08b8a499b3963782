package register

import (
	"slices"

	"kvs/node/contract"
	"kvs/node/slot"
)

// What was decided under idempotency keys: the semantics are those of the IETF's
// draft-ietf-httpapi-idempotency-key-header-06, section 2. A write under a key that is known is not applied again: it
// is answered as the first was. The same key with another request is refused, whatever became of the first.

// A list that has lost nothing begins with an entry without a key: all that was decided under keys since its version is
// on the list. A list that was full begins with the oldest of those that are left, which says the same. It matters
// because the end of a tombstone takes the list away: where a path is written anew, a version from before the list's
// beginning shows that keys may have been forgotten since. The path carries this itself, since no member can be asked:
// one that slept through the end of a tombstone knows nothing of it.

// Carry is the list that goes on with the next record, under a ballot of the timestamp given.
func (j *Joined) Carry(ballot slot.Timestamp) []slot.Applied {
	switch list := j.Consensus.List(); {
	case len(list) > 0:
		return list
	case j.Current.Exists(): // it is there, and nothing was decided under keys on the way from it to itself.
		return []slot.Applied{{Version: slot.Version{TS: j.Current.TS}}}
	}
	return []slot.Applied{{Version: slot.Version{TS: ballot}}}
}

// forgotten reports whether a write under an idempotency key finds another version than it wants, and an earlier
// attempt may be the reason, which no voter remembers: the version that is wanted is older than the list. For a
// condition that names no version this cannot be told.
func forgotten(r *contract.Request, j *Joined) bool {
	if r.Key.IsZero() || r.Condition.Kind != contract.IfMatch || len(r.Condition.Versions) == 0 ||
		r.Condition.Holds(&j.Current) {
		return false
	}
	if len(j.Consensus.List()) == 0 && !j.Current.Exists() {
		return true
	}
	since := j.Carry(0)[0].TS
	return slices.ContainsFunc(r.Condition.Versions, func(v slot.Version) bool { return v.TS < since })
}

// KeyUse is what a list knows of a request's key.
type KeyUse uint8

const (
	KeyNew    KeyUse = iota // nothing.
	KeyKnown                // an earlier attempt of this request was decided.
	KeyReused               // another request was.
)

// Applied finds what was decided under the key of a request. c may be nil.
func Applied(c *slot.Consensus, r *contract.Request) (slot.Version, KeyUse) {
	if c == nil || r.Key.IsZero() {
		return slot.Version{}, KeyNew
	}
	entry, use := r.Entry(), KeyNew
	for _, a := range c.Applied {
		switch {
		case a.Key == entry || a.Key == r.Key:
			return a.Version, KeyKnown
		case slices.Equal(a.Key[:contract.KeyBytes], r.Key[:contract.KeyBytes]):
			use = KeyReused
		}
	}
	return slot.Version{}, use
}
