package linearize

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// unmarshalStrict is json.Unmarshal of one object that refuses input that encoding/json would accept: unknown fields,
// fields in another case, fields that are given twice, text after the object, and halves of surrogate pairs, which it
// would replace.
func unmarshalStrict(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if rest := bytes.TrimSpace(b[d.InputOffset():]); len(rest) > 0 {
		return errors.New("something follows the closing brace")
	}
	return checkFields(b, fieldsOf[reflect.TypeOf(v).Elem()])
}

// fieldsOf has the names of the fields of the types that are read strictly.
var fieldsOf = func() map[reflect.Type]map[string]bool {
	all := make(map[reflect.Type]map[string]bool)
	for _, v := range []any{wireHeader1{}, wireHeader{}, wirePromise{}, wireOp1{}, wireOp{}, wireEnd{}, wireBytes{}} {
		t := reflect.TypeOf(v)
		all[t] = make(map[string]bool)
		for _, f := range reflect.VisibleFields(t) {
			if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" {
				all[t][name] = true
			}
		}
	}
	return all
}()

// checkFields goes through an object that encoding/json has accepted. Nested objects are checked when they are read.
func checkFields(b []byte, names map[string]bool) error {
	seen := make(map[string]bool, len(names))
	depth, key := 0, false
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '{', '[':
			depth++
			key = depth == 1
		case '}', ']':
			depth--
		case ',':
			key = depth == 1
		case '"':
			end, err := stringEnd(b, i)
			if err != nil {
				return err
			}
			if key {
				var name string
				if err := json.Unmarshal(b[i:end], &name); err != nil {
					return err
				}
				switch {
				case !names[name]:
					return fmt.Errorf("field %q: names of fields are in lower case", name)
				case seen[name]:
					return fmt.Errorf("field %q is there twice", name)
				}
				seen[name], key = true, false
			}
			i = end - 1
		}
	}
	return nil
}

// stringEnd returns where the string that begins at b[i] ends.
func stringEnd(b []byte, i int) (int, error) {
	for i++; b[i] != '"'; i++ {
		if b[i] != '\\' {
			continue
		}
		i++
		if b[i] != 'u' {
			continue
		}
		switch c := unicodeEscape(b[i-1:]); {
		case c >= 0xd800 && c < 0xdc00:
			if low := unicodeEscape(b[i+5:]); low < 0xdc00 || low >= 0xe000 {
				return 0, errHalf(b[i-1 : i+5])
			}
			i += 6
		case c >= 0xdc00 && c < 0xe000:
			return 0, errHalf(b[i-1 : i+5])
		}
		i += 4
	}
	return i + 1, nil
}

func errHalf(escape []byte) error {
	return fmt.Errorf(`%s is half a character: write bytes that are not UTF-8 as {"base64": "..."}`, escape)
}

// unicodeEscape returns the number in an escape such as A; 0 if b does not begin with one.
func unicodeEscape(b []byte) uint64 {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0
	}
	n, err := strconv.ParseUint(string(b[2:6]), 16, 16)
	if err != nil {
		return 0
	}
	return n
}
