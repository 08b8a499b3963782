// Package decode reads the JSON documents of bulk transfers, which are many and large.
//
// What a document means, and which error it is, encoding/json says. But that takes most of the time of a bulk load, so
// github.com/go-json-experiment/json, the coming encoding/json/v2, reads a document first. Its rules are stricter: what
// it accepts without an unknown member means the same to both. What it refuses, such as a repeated name, a name in
// other letters, or text that is not UTF-8, encoding/json reads anew.
package decode

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"

	fast "github.com/go-json-experiment/json"
)

// JSON reads text into a value that is zero before.
func JSON[T any](text []byte, into *T) error {
	if plain(text, into) {
		return nil
	}
	return json.Unmarshal(text, into)
}

// Strict is JSON for a document of a client that means what it says: a member that is not known is an error, for
// a misspelt condition must not be ignored.
func Strict[T any](text []byte, into *T) error {
	if plain(text, into) {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is more behind the end")
	}
	return nil
}

// plain reports whether the stricter reader has read text. If not, the value is zero as before.
func plain[T any](text []byte, into *T) bool {
	if fast.Unmarshal(text, into, fast.RejectUnknownMembers(true)) == nil {
		return true
	}
	*into = *new(T)
	return false
}
