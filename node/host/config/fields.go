package config

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"kvs/node"
)

// field is one key of a section, with its value in the struct.
type field struct {
	name  string // in its section.
	key   string // its full name: "log.level".
	value reflect.Value
}

// fieldsOf lists the keys of a section (a struct) in the order of the file.
func fieldsOf(section reflect.Value, prefix string) []field {
	var out []field
	for i := range section.NumField() {
		name := section.Type().Field(i).Tag.Get("yaml")
		if name == "-" {
			continue
		}
		out = append(out, field{name: name, key: prefix + name, value: section.Field(i)})
	}
	return out
}

func (f *field) section() bool { return f.value.Kind() == reflect.Struct }

// set reads a scalar or a list of strings into the field.
func (f *field) set(n *yaml.Node) error {
	if list, ok := f.value.Addr().Interface().(*[]string); ok {
		return setList(list, n)
	}
	if n.Kind != yaml.ScalarNode {
		return fmt.Errorf("want a single value")
	}
	return setScalar(f.value.Addr().Interface(), n.Value)
}

func setScalar(target any, text string) (err error) {
	switch p := target.(type) {
	case *string:
		*p = text
	case *bool:
		switch text {
		case "true":
			*p = true
		case "false":
			*p = false
		default:
			return fmt.Errorf("%q is neither true nor false", text)
		}
	case *int:
		n, convErr := strconv.Atoi(text)
		if convErr != nil {
			return fmt.Errorf("%q is not a whole number", text)
		}
		*p = n
	case *Size:
		*p, err = ParseSize(text)
	case *time.Duration:
		*p, err = parseDuration(text)
	case *node.Level:
		*p, err = node.ParseLevel(text)
	default:
		panic(fmt.Sprintf("kvs: broken invariant: configuration key of unknown type %T", target))
	}
	return err
}

func setList(list *[]string, n *yaml.Node) error {
	if n.Kind != yaml.SequenceNode {
		return fmt.Errorf("want a list, such as [a:7001, b:7001]")
	}
	out := make([]string, 0, len(n.Content))
	for _, item := range n.Content {
		if item.Kind != yaml.ScalarNode {
			return fmt.Errorf("want a list of single values")
		}
		out = append(out, item.Value)
	}
	if len(out) == 0 {
		out = nil // so that an empty list equals the default.
	}
	*list = out
	return nil
}

// text prints the value as set reads it, quoted where YAML needs it.
func (f *field) text() string {
	switch v := f.value.Interface().(type) {
	case string:
		return quote(escapeVariables(v))
	case bool:
		return strconv.FormatBool(v)
	case int:
		return strconv.Itoa(v)
	case time.Duration:
		return formatDuration(v)
	case []string:
		quoted := make([]string, len(v))
		for i := range v {
			quoted[i] = quote(escapeVariables(v[i]))
		}
		return "[" + strings.Join(quoted, ", ") + "]"
	case fmt.Stringer: // Size and node.Level.
		return v.String()
	}
	panic(fmt.Sprintf("kvs: broken invariant: configuration key %s of unknown type %v", f.key, f.value.Type()))
}

// quote leaves plain words as they are, and writes all other text as a double-quoted YAML string, whose escapes are
// those of JSON.
func quote(s string) string {
	plain := s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' ||
			strings.ContainsRune("._/:-", r))
	})
	if plain {
		var v any
		if err := yaml.Unmarshal([]byte(s), &v); err == nil && v == any(s) {
			return s
		}
	}
	return strconv.QuoteToGraphic(s)
}
