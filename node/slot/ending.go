package slot

import (
	"fmt"
	"strconv"
	"time"
)

// Life is the time to live of a record, in milliseconds; zero: for ever.
func (r *Record) Life() uint64 {
	if r.Expires == 0 {
		return 0
	}
	return uint64(max(r.Expires-r.TS.Wall(), 1))
}

// SetTTL sets the end of a record whose timestamp is set.
func (r *Record) SetTTL(ttl time.Duration) {
	if ttl > 0 && !r.Tombstone {
		r.Expires = r.TS.Wall() + max(ttl.Milliseconds(), 1)
	}
}

// Bounds of a time to live: whole seconds, or a duration such as 90m.
const (
	TTLMin = time.Second
	TTLMax = 100 * 365 * 24 * time.Hour
)

// ParseTTL reads a time to live.
func ParseTTL(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if seconds, notWhole := strconv.ParseUint(text, 10, 32); notWhole == nil {
		d, err = time.Duration(seconds)*time.Second, nil
	}
	if err != nil || d < TTLMin || d > TTLMax {
		return 0, fmt.Errorf("%.100q is no time to live: write whole seconds, or a duration such as 90m, from %v to %v",
			text, TTLMin, TTLMax)
	}
	return d, nil
}

// End is the tombstone of a value whose time to live is over, the same on every member. Its version is one step above
// the value's. So it also ends another write under the same timestamp: in a conflict whose winner has ended, or, if the
// member that ends it has not received the other write in all the time, in one that was never settled.
func (r *Record) End() Record {
	u := r.UUID
	for i := range u {
		u[i] ^= 0xff
	}
	u[6] = u[6]&0x0f | endingUUID // a UUID of version 8 (RFC 9562, section 5.8): no client's write has one.
	u[8] = u[8]&0x3f | 0x80
	return Record{TS: r.TS + 1, UUID: u, Origin: r.Origin, Tombstone: true}
}

const endingUUID = 0x80

// EndingOf reports whether r is the tombstone that ends exactly this version.
func (r *Record) EndingOf(v Version) bool {
	value := Record{TS: v.TS, UUID: v.UUID}
	end := value.End()
	return r.Tombstone && r.Version() == end.Version()
}

// Ending reports whether r is the tombstone of a value that expired, and the timestamp of that value.
func (r *Record) Ending() (of Timestamp, is bool) {
	return r.TS - 1, r.IsEnd()
}

func (r *Record) IsEnd() bool { return r.Tombstone && r.UUID[6]&0xf0 == endingUUID }

func (c *Candidate) IsEnd() bool { return c.Tombstone && c.UUID[6]&0xf0 == endingUUID }
