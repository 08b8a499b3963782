package access

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// Hash is the SHA-256 of a secret, which is stored in place of it.
type Hash [sha256.Size]byte

// String is the hash as files hold it.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// ParseHash reads what String wrote.
func ParseHash(text string) (h Hash, err error) {
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != len(h) {
		return h, fmt.Errorf("a hash is %d hexadecimal digits", 2*len(h))
	}
	copy(h[:], b)
	return h, nil
}

const (
	tokenMark   = "kvs1"
	secretBytes = 32
	idBytes     = 8
	idBytesMax  = 64
)

// AdminID is the identifier of the token whose hash is in the configuration of each node.
const AdminID = "admin"

// NewID draws an identifier.
func NewID() (string, error) {
	var b [idBytes]byte
	_, err := rand.Read(b[:])
	return hex.EncodeToString(b[:]), err
}

// NewSecret draws the token of an identifier, and returns its hash.
func NewSecret(id string) (token string, hash Hash, err error) {
	var b [secretBytes]byte
	if _, err := rand.Read(b[:]); err != nil {
		return "", hash, err
	}
	secret := base64.RawURLEncoding.EncodeToString(b[:])
	return tokenMark + "." + id + "." + secret, sha256.Sum256([]byte(secret)), nil
}

// ErrNoToken means that a text is no token.
var ErrNoToken = errors.New("this is no token of kvs")

// Split parses a token. The error does not repeat the text: it may be a secret.
func Split(token string) (id string, hash Hash, err error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 || parts[0] != tokenMark || parts[1] == "" || len(parts[1]) > idBytesMax || parts[2] == "" {
		return "", hash, ErrNoToken
	}
	for _, c := range []byte(parts[1]) {
		if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9') {
			return "", hash, ErrNoToken
		}
	}
	return parts[1], sha256.Sum256([]byte(parts[2])), nil
}

// Equal compares in constant time.
func (h Hash) Equal(other Hash) bool { return subtle.ConstantTimeCompare(h[:], other[:]) == 1 }
