package linearize

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"unicode/utf8"
)

// The lines of a history file, in both formats. See jsonl.go.

type wireHeader1 struct {
	Format   int    `json:"format"`
	World    text   `json:"world,omitempty"`
	Seed     uint64 `json:"seed,string"`
	Scenario text   `json:"scenario,omitempty"`
	Commit   text   `json:"commit,omitempty"`
	Plan     text   `json:"plan,omitempty"`
	Nodes    []text `json:"nodes,omitempty"`
	Started  text   `json:"started,omitempty"`
}

type wireHeader struct {
	Format   int           `json:"format"`
	Model    word          `json:"model"`
	World    text          `json:"world,omitempty"`
	Seed     uint64        `json:"seed,string"`
	Scenario text          `json:"scenario,omitempty"`
	Commit   text          `json:"commit,omitempty"`
	Plan     text          `json:"plan,omitempty"`
	Promises []wirePromise `json:"promises,omitempty"`
	Nodes    []text        `json:"nodes,omitempty"`
	Started  text          `json:"started,omitempty"`
}

type wirePromise struct {
	Name text `json:"name"`
	Path text `json:"path,omitempty"`
}

// UnmarshalJSON is strict.
func (p *wirePromise) UnmarshalJSON(b []byte) error {
	type plain wirePromise // without this method.
	var w plain
	if err := json.Unmarshal(b, &w); err != nil {
		return err
	}
	*p = wirePromise(w)
	return checkFields(b, fieldsOf[reflect.TypeFor[wirePromise]()])
}

type wireOp1 struct {
	Process      *int   `json:"process"`
	Node         text   `json:"node,omitempty"`
	Kind         word   `json:"op"`
	Path         text   `json:"path"`
	Level        text   `json:"level,omitempty"`
	Input        text   `json:"input,omitempty"`
	Expect       text   `json:"expect,omitempty"`
	ExpectAbsent bool   `json:"expect_absent,omitempty"`
	Applied      bool   `json:"applied,omitempty"`
	Shown        bool   `json:"shown,omitempty"`
	Found        bool   `json:"found,omitempty"`
	Output       text   `json:"output,omitempty"`
	Version      text   `json:"version,omitempty"`
	Invoke       *int64 `json:"invoke"`
	Return       *int64 `json:"return,omitempty"`
	GaveUp       int64  `json:"gave_up,omitempty"`
	Status       word   `json:"status"`
	Error        text   `json:"error,omitempty"`
}

type wireOp struct {
	wireOp1
	Amount int64  `json:"amount,omitempty"`
	List   []text `json:"list,omitempty"`
	Number int64  `json:"number,omitempty"`
}

type wireEnd struct {
	Operations *int `json:"operations"`
}

// word is one of a few known words.
type word string

// text is a string of any bytes that survives JSON.
type text string

type wireBytes struct {
	Base64 *string `json:"base64"`
}

// MarshalJSON writes a JSON string, or an object for bytes that are none.
func (t text) MarshalJSON() ([]byte, error) {
	if utf8.ValidString(string(t)) {
		return marshalPlain(string(t))
	}
	s := base64.StdEncoding.EncodeToString([]byte(t))
	return marshalPlain(wireBytes{&s})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (t *text) UnmarshalJSON(b []byte) error {
	if len(b) == 0 || b[0] != '{' {
		var s *string
		if err := json.Unmarshal(b, &s); err != nil {
			return err
		}
		if s == nil {
			return errors.New("null is not a text: leave the field out")
		}
		*t = text(*s)
		return nil
	}
	var w wireBytes
	if err := unmarshalStrict(b, &w); err != nil {
		return err
	}
	if w.Base64 == nil {
		return errors.New("a text that is an object has the field base64")
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(*w.Base64)
	if err != nil {
		return fmt.Errorf("base64: %w", err)
	}
	*t = text(raw)
	return nil
}

// marshalPlain is json.Marshal without the escapes for HTML.
func marshalPlain(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
