package slot

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// Record is one version of the value under a path, as a reader gets it.
type Record struct {
	TS          Timestamp
	UUID        UUID
	Origin      ID
	Tombstone   bool  // a delete: ContentType and Value are empty.
	Expires     int64 // hybrid wall time, milliseconds since the Unix epoch, at which it ends; zero: never.
	ContentType string
	Value       []byte // read-only, shared.
}

// Exists reports whether r is a version at all; the zero Record is none.
func (r *Record) Exists() bool { return r.TS != 0 }

// Live reports whether r shows a value to readers.
func (r *Record) Live() bool { return r.TS != 0 && !r.Tombstone }

// Version identifies a version: timestamps order versions, the UUID distinguishes equal timestamps.
type Version struct {
	TS   Timestamp
	UUID UUID
}

// Version of r.
func (r *Record) Version() Version { return Version{r.TS, r.UUID} }

// Compare orders versions by timestamp, then UUID. The winner between two records of one path is the higher.
func (v Version) Compare(w Version) int {
	if v.TS != w.TS {
		if v.TS < w.TS {
			return -1
		}
		return 1
	}
	return bytes.Compare(v.UUID[:], w.UUID[:])
}

// ETag is the opaque version as the REST API shows it, without the quotes.
func (v Version) ETag() string {
	var b [16 + 1 + 2*len(v.UUID)]byte
	return string(v.AppendETag(b[:0]))
}

// AppendETag adds what ETag returns.
func (v Version) AppendETag(b []byte) []byte {
	b = append(strconv.AppendUint(b, uint64(v.TS), 16), '-')
	return hex.AppendEncode(b, v.UUID[:])
}

// ParseETag reads what Version.ETag prints.
func ParseETag(s string) (Version, error) {
	bad := fmt.Errorf("etag %q: not one of this store", s)
	ts, uuid, ok := strings.Cut(s, "-")
	n, err := strconv.ParseUint(ts, 16, 64)
	u, err2 := hex.DecodeString(uuid)
	if !ok || err != nil || err2 != nil || len(u) != len(UUID{}) {
		return Version{}, bad
	}
	if v := (Version{Timestamp(n), UUID(u)}); v.ETag() == s {
		return v, nil
	}
	return Version{}, bad
}
