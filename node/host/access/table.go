package access

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"
)

// Entry is a token as the table has it.
type Entry struct {
	ID          string    `json:"id"`
	Name        string    `json:"name"`
	Hash        string    `json:"hash,omitempty"` // of the secret, hexadecimal; empty for a certificate.
	Certificate bool      `json:"certificate,omitempty"`
	Rules       Rules     `json:"rules"`
	Created     time.Time `json:"created"`
	Expires     time.Time `json:"expires,omitzero"` // zero: never.
}

// Expired says whether it has ended.
func (e *Entry) Expired(now time.Time) bool { return !e.Expires.IsZero() && !now.Before(e.Expires) }

// Table is all tokens of a cluster. A Table that is shared is not changed.
type Table struct{ Entries []Entry }

// document is the table as it is stored: JSON, version 1. An unknown version is refused, and then only administrators
// with a certificate are let in: a newer kvs has to write this version until all members read the newer one.
type document struct {
	Version int     `json:"version"`
	Tokens  []Entry `json:"tokens"`
}

const (
	tableVersion = 1
	tokensMax    = 1000
	nameBytesMax = 128
)

// Errors of a change.
var (
	ErrNoEntry = errors.New("there is no such token")
	ErrFull    = fmt.Errorf("there are %d tokens, which is the limit: revoke some", tokensMax)
)

// Parse reads a stored table; nothing stored is an empty one.
func Parse(content []byte) (*Table, error) {
	if len(content) == 0 {
		return &Table{}, nil
	}
	var d document
	if err := json.NewDecoder(bytes.NewReader(content)).Decode(&d); err != nil {
		return nil, fmt.Errorf("the table of tokens: %w", err)
	}
	if d.Version != tableVersion {
		return nil, fmt.Errorf("the table of tokens is of version %d, which this kvs does not know", d.Version)
	}
	return &Table{d.Tokens}, nil
}

// Encode returns what Parse reads.
func (t *Table) Encode() ([]byte, error) { return json.Marshal(document{tableVersion, t.Entries}) }

// CertificateID is the identifier of the entry for certificates of clients with this name.
func CertificateID(name string) string { return "cert:" + name }

// Find returns the entry of this identifier.
func (t *Table) Find(id string) (*Entry, bool) {
	i := slices.IndexFunc(t.Entries, func(e Entry) bool { return e.ID == id })
	if i < 0 {
		return nil, false
	}
	return &t.Entries[i], true
}

// Authenticate returns the entry of a token that is in the table and has not ended.
func (t *Table) Authenticate(id string, hash Hash, now time.Time) (*Entry, bool) {
	e, known := t.Find(id)
	var want Hash
	if known && !e.Certificate {
		var err error
		if want, err = ParseHash(e.Hash); err != nil {
			known = false
		}
	}
	if equal := hash.Equal(want); !known || !equal || e.Certificate || e.Expired(now) {
		// compared in any case, so that an unknown token takes as long.
		return nil, false
	}
	return e, true
}

// With is the table with one entry more, without those that have ended. One of the same identifier is replaced.
func (t *Table) With(e Entry, now time.Time) (*Table, error) {
	switch {
	case e.Name == "" || len(e.Name) > nameBytesMax || !utf8.ValidString(e.Name):
		return nil, fmt.Errorf("a token needs a name of 1 to %d bytes, that of its owner", nameBytesMax)
	case e.Expired(now):
		return nil, errors.New("it would have ended already")
	}
	if err := e.Rules.Check(); err != nil {
		return nil, err
	}
	out := &Table{}
	for _, old := range t.Entries {
		if old.ID != e.ID && !old.Expired(now) {
			out.Entries = append(out.Entries, old)
		}
	}
	if len(out.Entries) >= tokensMax {
		return nil, ErrFull
	}
	out.Entries = append(out.Entries, e)
	return out, nil
}

// Without is the table without the entry of this identifier.
func (t *Table) Without(id string) (*Table, error) {
	if _, ok := t.Find(id); !ok {
		return nil, ErrNoEntry
	}
	return &Table{slices.DeleteFunc(slices.Clone(t.Entries), func(e Entry) bool { return e.ID == id })}, nil
}
