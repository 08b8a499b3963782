package slot

import (
	"encoding/hex"
	"fmt"

	"kvs/node/hlc"
	"kvs/node/swim"
)

// ID is a storage identity: a random number drawn when a data folder is first used. A member that lost its disk comes
// back with another ID, because it is another member.
type ID = swim.ID

// ParseID reads the 16 hexadecimal digits that ID.String prints.
func ParseID(s string) (ID, error) { return swim.ParseID(s) }

// Timestamp is a hybrid logical timestamp; it orders versions.
type Timestamp = hlc.Timestamp

// UUID identifies one write for ever. It distinguishes two writes with the same timestamp.
type UUID [16]byte

// String prints the usual 8-4-4-4-12 form.
func (u UUID) String() string {
	var b [36]byte
	hex.Encode(b[0:8], u[0:4])
	b[8] = '-'
	hex.Encode(b[9:13], u[4:6])
	b[13] = '-'
	hex.Encode(b[14:18], u[6:8])
	b[18] = '-'
	hex.Encode(b[19:23], u[8:10])
	b[23] = '-'
	hex.Encode(b[24:36], u[10:16])
	return string(b[:])
}

// IsZero reports whether u is the zero UUID, which no write carries.
func (u UUID) IsZero() bool { return u == UUID{} }

// ParseUUID reads what UUID.String prints.
func ParseUUID(s string) (UUID, error) {
	var u UUID
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return u, fmt.Errorf("uuid %q: want 8-4-4-4-12 hexadecimal digits", s)
	}
	digits := s[0:8] + s[9:13] + s[14:18] + s[19:23] + s[24:36]
	if _, err := hex.Decode(u[:], []byte(digits)); err != nil {
		return UUID{}, fmt.Errorf("uuid %q: %w", s, err)
	}
	return u, nil
}
