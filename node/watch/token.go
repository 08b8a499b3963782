package watch

import (
	"encoding/base64"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"

	"kvs/node/slot"
)

// Token says how far a watcher has got: at which member, in which of its logs of changes, and up to which position. A
// token within a snapshot says up to which path as well.
type Token struct {
	Member   slot.ID
	Log      uint64
	Target   uint32 // hash of what is watched.
	Position uint64 // everything up to it has been shown.
	Within   bool   // of a snapshot, which began at the position.
	After    string // the part of the snapshot that has been shown, see view.ListRequest.
}

// tokenVersion begins the text of a token.
const tokenVersion = 1

// tokenBytesMax bounds what ParseToken looks at: the longest path, in base64, and the numbers.
const tokenBytesMax = 2048

// targetHash distinguishes what is watched: a token of one directory says nothing about another one.
func targetHash(target string) uint32 { return crc32.ChecksumIEEE([]byte(target)) }

// String prints the token for a URL: version, member, log, target, position, and within a snapshot the part of it, with
// hyphens between them. The text means nothing to clients.
func (t Token) String() string {
	s := fmt.Sprintf("%d-%s-%016x-%08x-%d", tokenVersion, t.Member, t.Log, t.Target, t.Position)
	if t.Within {
		s += "-" + base64.RawURLEncoding.EncodeToString([]byte(t.After))
	}
	return s
}

// ParseToken reads what String prints. A text of another version is an error.
func ParseToken(s string) (Token, error) {
	bad := fmt.Errorf("%.100q is no token of a watch", s)
	fields := strings.SplitN(s, "-", 6)
	if len(s) > tokenBytesMax || len(fields) < 5 || fields[0] != strconv.Itoa(tokenVersion) {
		return Token{}, bad
	}
	var t Token
	var err, err2, err4 error
	t.Member, err = slot.ParseID(fields[1])
	t.Log, err2 = strconv.ParseUint(fields[2], 16, 64)
	target, err3 := strconv.ParseUint(fields[3], 16, 32)
	t.Target = uint32(target)
	t.Position, err4 = strconv.ParseUint(fields[4], 10, 64)
	if err != nil || err2 != nil || err3 != nil || err4 != nil {
		return Token{}, bad
	}
	if t.Within = len(fields) == 6; t.Within {
		after, err := base64.RawURLEncoding.DecodeString(fields[5])
		if err != nil {
			return Token{}, bad
		}
		t.After = string(after)
	}
	if t.String() != s {
		return Token{}, bad
	}
	return t, nil
}
