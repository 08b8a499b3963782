package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// fileBytesMax bounds a configuration file: a larger file is no configuration.
const fileBytesMax = 1 << 20

// Problem is one error in a file, in one line: where, what, and what to do.
type Problem struct {
	File string
	Line int    // 0: no line, the key is not in the file.
	Key  string // "" when the error is not about a key.
	Text string
}

// Error prints FILE:LINE: KEY: TEXT.
func (p *Problem) Error() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d", p.Line)
	}
	if b.Len() > 0 {
		b.WriteString(": ")
	}
	if p.Key != "" {
		b.WriteString(p.Key + ": ")
	}
	b.WriteString(p.Text)
	return b.String()
}

// Parse reads a configuration file's content over the defaults, and the environment over both (VariableOf), fills in
// what follows from the rest, and checks it. name is the file's path: errors have it, and relative paths begin at its
// folder. All problems are reported at once.
func Parse(name string, content []byte) (*Config, error) {
	c, _, err := parse(name, content)
	return c, err
}

func parse(name string, content []byte) (*Config, *parser, error) {
	p := &parser{file: name, lines: map[string]int{}, variables: map[string]bool{}, unread: map[string]bool{}}
	c := Default()
	root, err := p.document(content)
	if err != nil {
		return nil, nil, err
	}
	if root != nil {
		p.section(reflect.ValueOf(&c).Elem(), "", root)
	}
	p.environment(reflect.ValueOf(&c).Elem(), "")
	c.Resolve(name)
	p.check(&c)
	if len(p.problems) > 0 {
		return nil, nil, errors.Join(p.problems...)
	}
	return &c, p, nil
}

type parser struct {
	file     string
	lines    map[string]int // the line of each key.
	problems []error
	// keys that variables of the environment have set.
	variables map[string]bool
	// keys whose values could not be read: they have their defaults, which need no check.
	unread map[string]bool
}

func (p *parser) say(line int, key, format string, args ...any) {
	said := &Problem{File: p.file, Line: line, Key: key, Text: fmt.Sprintf(format, args...)}
	if p.variables[key] {
		said.File, said.Line, said.Key = environmentFile, 0, VariableOf(key)
	}
	p.problems = append(p.problems, said)
}

// unreadable reports what is wrong with a value that cannot be read.
func (p *parser) unreadable(line int, key, text string) {
	p.unread[key] = true
	p.say(line, key, "%s", text)
}

// document returns the one mapping in content, or nil when there are only comments.
func (p *parser) document(content []byte) (*yaml.Node, error) {
	if len(content) > fileBytesMax {
		return nil, &Problem{File: p.file,
			Text: fmt.Sprintf("%d bytes is no configuration file, the limit is %d", len(content), fileBytesMax)}
	}
	dec := yaml.NewDecoder(bytes.NewReader(content))
	var doc, second yaml.Node
	err := dec.Decode(&doc)
	switch {
	case errors.Is(err, io.EOF):
		return nil, nil
	case err != nil:
		return nil, p.syntax(err)
	}
	if err := dec.Decode(&second); !errors.Is(err, io.EOF) {
		return nil, &Problem{File: p.file, Line: second.Line,
			Text: "a second document begins here; one file configures one node"}
	}
	root := doc.Content[0]
	switch {
	case root.Kind == yaml.ScalarNode && root.Tag == "!!null":
		return nil, nil
	case root.Kind != yaml.MappingNode:
		return nil, &Problem{File: p.file, Line: root.Line, Text: "want lines of the form key: value"}
	}
	return root, nil
}

// syntax is an error of the YAML library, which has the line in its text: "yaml: line 2: ...".
func (p *parser) syntax(err error) *Problem {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	if behind, ok := strings.CutPrefix(text, "line "); ok {
		if number, what, ok := strings.Cut(behind, ": "); ok {
			if line, err := strconv.Atoi(number); err == nil {
				return &Problem{File: p.file, Line: line, Text: what}
			}
		}
	}
	return &Problem{File: p.file, Text: text}
}

// section reads a mapping into a struct.
func (p *parser) section(target reflect.Value, prefix string, n *yaml.Node) {
	fields := fieldsOf(target, prefix)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		f := find(fields, key.Value)
		switch {
		case f == nil:
			p.unknown(key, prefix, fields)
		case p.lines[f.key] > 0:
			p.say(key.Line, f.key, "set twice, first on line %d; keep one", p.lines[f.key])
		default:
			p.lines[f.key] = key.Line
			p.value(f, value)
		}
	}
}

func find(fields []field, name string) *field {
	for i := range fields {
		if fields[i].name == name {
			return &fields[i]
		}
	}
	return nil
}

// value reads one value; an empty one leaves the default.
func (p *parser) value(f *field, n *yaml.Node) {
	switch {
	case n.Kind == yaml.AliasNode:
		p.unreadable(n.Line, f.key, "anchors and aliases are not understood here; write the value out")
	case n.Kind == yaml.ScalarNode && n.Tag == "!!null":
	case f.section() && n.Kind == yaml.MappingNode:
		p.section(f.value, f.key+".", n)
	case f.section():
		p.unreadable(n.Line, f.key, "is a section; put its keys below it, indented")
	default:
		err := expandScalars(n)
		if err == nil {
			err = f.set(n)
		}
		if err != nil {
			p.unreadable(n.Line, f.key, err.Error())
		}
	}
}

// variable matches ${NAME}, and $${, which stands for the text ${.
var variable = regexp.MustCompile(`\$?\$\{([^}]*)\}?`)

// expandScalars puts the environment's values in place of ${NAME}, in a value or in those of a list.
func expandScalars(n *yaml.Node) error {
	for _, item := range n.Content {
		if item.Kind == yaml.ScalarNode {
			if err := expandScalars(item); err != nil {
				return err
			}
		}
	}
	if n.Kind != yaml.ScalarNode {
		return nil
	}
	text, err := expand(n.Value)
	n.Value = text
	return err
}

func expand(text string) (string, error) {
	var failed error
	out := variable.ReplaceAllStringFunc(text, func(found string) string {
		if strings.HasPrefix(found, "$$") {
			return found[1:]
		}
		name := strings.TrimSuffix(strings.TrimPrefix(found, "${"), "}")
		value, ok := os.LookupEnv(name)
		switch {
		case !strings.HasSuffix(found, "}") || name == "":
			failed = fmt.Errorf("%s: want ${NAME}; write $${ where the text is meant", found)
		case !ok:
			failed = fmt.Errorf("%s: the environment has no %s: set it for the process that reads this file", found,
				name)
		}
		return value
	})
	return out, failed
}

// unknown reports a key that does not exist, with the one that was probably meant: in this section, or the same word in
// another one.
func (p *parser) unknown(key *yaml.Node, prefix string, siblings []field) {
	var names []string
	for i := range siblings {
		names = append(names, siblings[i].name)
	}
	if meant := Nearest(key.Value, names); meant != "" {
		p.say(key.Line, "", "unknown key %q; did you mean %q?", prefix+key.Value, prefix+meant)
		return
	}
	for i := range keyDocs {
		if k := keyDocs[i].key; k == key.Value || strings.HasSuffix(k, "."+key.Value) {
			p.say(key.Line, "", "unknown key %q; did you mean %q, in another section?", prefix+key.Value, k)
			return
		}
	}
	p.say(key.Line, "", "unknown key %q; the keys here are %s", prefix+key.Value, strings.Join(names, ", "))
}

// escapeVariables writes a text so that expand returns it unchanged.
func escapeVariables(text string) string { return strings.ReplaceAll(text, "${", "$${") }
