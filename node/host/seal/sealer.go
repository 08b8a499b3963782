package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
)

// The layout, see the package comment.
const (
	magic       = 0xe5
	format      = 1
	saltBytes   = 16
	headerBytes = 2 + 4 + saltBytes + 8
	tagBytes    = 16

	// Overhead is how much longer a datagram is when it is sealed.
	Overhead = headerBytes + tagBytes
)

const purpose = "kvs gossip 1"

// ErrRefused means that a datagram was not sealed with a known key, or was changed in transit.
var ErrRefused = errors.New("the datagram is not sealed by a member")

type salt [saltBytes]byte

// Sealer seals and opens the datagrams of one node. It is safe for concurrent use.
type Sealer struct {
	keys    *Keyring
	cluster []byte
	salt    salt
	number  atomic.Uint64

	mu      sync.Mutex
	ciphers map[sealedBy]cipher.AEAD // of salts that have sealed something.
}

type sealedBy struct {
	key  KeyID
	salt salt
}

// ciphersMax bounds the remembered salts: one for each start of a member. Beyond it all ciphers are derived anew.
const ciphersMax = 4096

// NewSealer returns a Sealer for a member of the cluster of this name.
func NewSealer(keys *Keyring, cluster string) (*Sealer, error) {
	return NewSealerFrom(keys, cluster, rand.Reader)
}

// NewSealerFrom is NewSealer with a source of randomness of its own: for simulations, which must be repeatable. Two
// sealers with the same random bytes are insecure.
func NewSealerFrom(keys *Keyring, cluster string, random io.Reader) (*Sealer, error) {
	s := &Sealer{keys: keys, cluster: []byte(cluster), ciphers: map[sealedBy]cipher.AEAD{}}
	if _, err := io.ReadFull(random, s.salt[:]); err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	return s, nil
}

// Keys are those that it uses.
func (s *Sealer) Keys() *Keyring { return s.keys }

// Seal returns data sealed under the primary key.
func (s *Sealer) Seal(data []byte) ([]byte, error) {
	key := s.keys.primary()
	aead, err := s.cipher(key, s.salt)
	if err != nil {
		return nil, err
	}
	id := key.ID()
	out := make([]byte, 0, len(data)+Overhead)
	out = append(out, magic, format)
	out = append(out, id[:]...)
	out = append(out, s.salt[:]...)
	number := s.number.Add(1)
	out = binary.LittleEndian.AppendUint64(out, number)
	return aead.Seal(out, nonce(number), data, s.associated(out)), nil
}

// IsSealed reports whether data looks sealed; Open checks that it is.
func IsSealed(data []byte) bool { return len(data) > 0 && data[0] == magic }

// Open returns the content, in memory of its own.
func (s *Sealer) Open(data []byte) ([]byte, error) {
	if len(data) < Overhead || data[0] != magic || data[1] != format {
		return nil, ErrRefused
	}
	var by sealedBy
	copy(by.key[:], data[2:])
	copy(by.salt[:], data[6:])
	key, ok := s.keys.find(by.key)
	if !ok {
		return nil, fmt.Errorf("%w: key %v is not in the keyring", ErrRefused, by.key)
	}
	aead, known := s.known(by)
	if !known {
		var err error
		if aead, err = derive(key, by.salt); err != nil {
			return nil, err
		}
	}
	header := data[:headerBytes]
	number := binary.LittleEndian.Uint64(data[headerBytes-8:])
	inside, err := aead.Open(nil, nonce(number), data[headerBytes:], s.associated(header))
	if err != nil {
		return nil, ErrRefused
	}
	if !known {
		s.remember(by, aead) // only now: otherwise forged salts would fill the memory.
	}
	return inside, nil
}

// associated is the data that is authenticated beside the content.
func (s *Sealer) associated(header []byte) []byte {
	return append(append(make([]byte, 0, headerBytes+len(s.cluster)), header[:headerBytes]...), s.cluster...)
}

func (s *Sealer) cipher(key Key, salt salt) (cipher.AEAD, error) {
	by := sealedBy{key.ID(), salt}
	if aead, ok := s.known(by); ok {
		return aead, nil
	}
	aead, err := derive(key, salt)
	if err == nil {
		s.remember(by, aead)
	}
	return aead, err
}

func (s *Sealer) known(by sealedBy) (cipher.AEAD, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	aead, ok := s.ciphers[by]
	return aead, ok
}

func (s *Sealer) remember(by sealedBy, aead cipher.AEAD) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.ciphers) >= ciphersMax {
		clear(s.ciphers)
	}
	s.ciphers[by] = aead
}

// derive makes the cipher of a salt.
func derive(key Key, salt salt) (cipher.AEAD, error) {
	secret, err := hkdf.Key(sha256.New, key[:], salt[:], purpose, KeyBytes)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(secret)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// nonce is the number of a datagram. No number comes twice under a salt.
func nonce(number uint64) []byte {
	var n [12]byte
	binary.LittleEndian.PutUint64(n[:], number)
	return n[:]
}
