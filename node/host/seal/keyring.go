package seal

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
)

// KeyBytes is the length of a key.
const KeyBytes = 32

// Key is a secret that all members share.
type Key [KeyBytes]byte

// KeyID identifies a key without revealing it.
type KeyID [4]byte

// NewKey draws a key.
func NewKey() (k Key, err error) {
	_, err = rand.Read(k[:])
	return k, err
}

// ID is the name of the key.
func (k Key) ID() (id KeyID) {
	sum := sha256.Sum256(k[:])
	copy(id[:], sum[:])
	return id
}

// Text is the key as files hold it.
func (k Key) Text() string { return base64.StdEncoding.EncodeToString(k[:]) }

// String does not reveal the key, so that no log does.
func (k Key) String() string { return "key " + k.ID().String() }

// GoString likewise.
func (k Key) GoString() string { return k.String() }

// ParseKey reads what Text wrote.
func ParseKey(text string) (k Key, err error) {
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(b) != KeyBytes {
		return k, fmt.Errorf("a gossip key is %d bytes in base64", KeyBytes)
	}
	copy(k[:], b)
	return k, nil
}

// String is the identifier as people see it.
func (id KeyID) String() string { return hex.EncodeToString(id[:]) }

// ParseKeyID reads what String wrote.
func ParseKeyID(text string) (id KeyID, err error) {
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != len(id) {
		return id, fmt.Errorf("%.100q is no identifier of a key: want 8 hexadecimal digits, as kvs keyring list shows",
			text)
	}
	copy(id[:], b)
	return id, nil
}

// keysMax bounds a keyring: two are needed while one replaces the other.
const keysMax = 8

// Keyring holds the keys of a node, in a file unless it is made by NewKeyring. Datagrams are sealed with the primary
// one, and opened with any. It is safe for concurrent use.
type Keyring struct {
	path    string
	writing sync.Mutex
	keys    atomic.Pointer[[]Key] // the primary one first.
}

// document is the file: JSON. An unknown version is refused.
type document struct {
	Version int      `json:"version"` // 1.
	Primary string   `json:"primary"` // identifier.
	Keys    []string `json:"keys"`    // base64.
}

// Errors of a change.
var (
	ErrNoKey      = errors.New("there is no such key")
	ErrPrimary    = errors.New("this key seals: use another one first")
	ErrTooMany    = errors.New("there are too many keys: remove one first")
	ErrNotWritten = errors.New("the keyring could not be written")
)

// Document is the content of a file with these keys, the primary one first.
func Document(keys ...Key) []byte {
	d := document{Version: 1, Primary: keys[0].ID().String()}
	for _, k := range keys {
		d.Keys = append(d.Keys, k.Text())
	}
	b, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		panic("kvs: broken invariant: " + err.Error())
	}
	return append(b, '\n')
}

// fileBytesMax bounds the file.
const fileBytesMax = 64 << 10

// OpenKeyring reads the file at path.
func OpenKeyring(path string) (*Keyring, error) {
	k := &Keyring{path: path}
	if _, err := k.Reload(); err != nil {
		return nil, err
	}
	return k, nil
}

// NewKeyring returns one in memory alone, with these keys, the primary one first.
func NewKeyring(keys ...Key) *Keyring {
	k := &Keyring{}
	keys = slices.Clone(keys)
	k.keys.Store(&keys)
	return k
}

// Reload reads the file anew. With an error the keys stay as they are.
func (k *Keyring) Reload() (changed bool, err error) {
	k.writing.Lock()
	defer k.writing.Unlock()
	f, err := os.Open(k.path)
	if err != nil {
		return false, fmt.Errorf("keyring: %w", err)
	}
	content, err := io.ReadAll(io.LimitReader(f, fileBytesMax))
	if err = errors.Join(err, f.Close()); err != nil {
		return false, fmt.Errorf("keyring %s: %w", k.path, err)
	}
	keys, err := parse(content)
	if err != nil {
		return false, fmt.Errorf("keyring %s: %w", k.path, err)
	}
	before := k.keys.Load()
	k.keys.Store(&keys)
	return before == nil || !slices.Equal(*before, keys), nil
}

func parse(content []byte) ([]Key, error) {
	var d document
	dec := json.NewDecoder(bytes.NewReader(content))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&d); err != nil {
		return nil, err
	}
	if d.Version != 1 {
		return nil, fmt.Errorf("version %d is not known to this kvs", d.Version)
	}
	if len(d.Keys) == 0 || len(d.Keys) > keysMax {
		return nil, fmt.Errorf("%d keys, want 1 to %d", len(d.Keys), keysMax)
	}
	var keys []Key
	primary := -1
	for i, text := range d.Keys {
		key, err := ParseKey(text)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(keys, func(o Key) bool { return o.ID() == key.ID() }) {
			return nil, fmt.Errorf("key %v is there twice", key.ID())
		}
		if keys = append(keys, key); key.ID().String() == d.Primary {
			primary = i
		}
	}
	if primary < 0 {
		return nil, fmt.Errorf("the primary key %.20q is none of those that are there", d.Primary)
	}
	keys[0], keys[primary] = keys[primary], keys[0]
	return keys, nil
}

// IDs are the identifiers of the keys, the primary one first.
func (k *Keyring) IDs() (out []KeyID) {
	for _, key := range *k.keys.Load() {
		out = append(out, key.ID())
	}
	return out
}

func (k *Keyring) primary() Key { return (*k.keys.Load())[0] }

func (k *Keyring) find(id KeyID) (Key, bool) {
	for _, key := range *k.keys.Load() {
		if key.ID() == id {
			return key, true
		}
	}
	return Key{}, false
}

// Install adds a key, which opens datagrams from then on. A key that is there already is no error.
func (k *Keyring) Install(key Key) error {
	return k.change(func(keys []Key) ([]Key, error) {
		switch {
		case slices.Contains(keys, key):
			return keys, nil
		case len(keys) >= keysMax:
			return nil, ErrTooMany
		case slices.ContainsFunc(keys, func(o Key) bool { return o.ID() == key.ID() }):
			return nil, errors.New("another key has the same identifier: draw a new one")
		}
		return append(keys, key), nil
	})
}

// Use makes a key the primary one, which seals.
func (k *Keyring) Use(id KeyID) error {
	return k.change(func(keys []Key) ([]Key, error) {
		at := slices.IndexFunc(keys, func(o Key) bool { return o.ID() == id })
		if at < 0 {
			return nil, ErrNoKey
		}
		keys[0], keys[at] = keys[at], keys[0]
		return keys, nil
	})
}

// Remove takes a key out: datagrams that it sealed are refused from then on. A key that is not there is no error.
func (k *Keyring) Remove(id KeyID) error {
	return k.change(func(keys []Key) ([]Key, error) {
		if keys[0].ID() == id {
			return nil, ErrPrimary
		}
		return slices.DeleteFunc(keys, func(o Key) bool { return o.ID() == id }), nil
	})
}

// change writes the file and then uses the new keys, or leaves both as they were.
func (k *Keyring) change(do func([]Key) ([]Key, error)) error {
	k.writing.Lock()
	defer k.writing.Unlock()
	before := *k.keys.Load()
	keys, err := do(slices.Clone(before))
	if err != nil || slices.Equal(keys, before) {
		return err
	}
	if k.path != "" {
		if err := replaceFile(k.path, Document(keys...)); err != nil {
			return fmt.Errorf("%w: %w", ErrNotWritten, err)
		}
	}
	k.keys.Store(&keys)
	return nil
}

// replaceFile puts content into the file, whole or not at all, readable by its owner alone.
func replaceFile(path string, content []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".keyring-*") // its mode is 0600.
	if err != nil {
		return err
	}
	_, err = tmp.Write(content)
	if err = errors.Join(err, tmp.Sync(), tmp.Close()); err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp.Name()))
	}
	return nil
}
