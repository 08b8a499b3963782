package config

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// variablePrefix begins the names of the environment variables that set keys.
const variablePrefix = "KVS_"

// VariableOf is the environment variable that sets a key, whatever the file says: KVS_LOG_LEVEL for log.level.
func VariableOf(key string) string {
	return variablePrefix + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

// environmentFile stands for the file in a Problem about a variable.
const environmentFile = "environment"

// environment applies the variables that are set. A list has commas between its values.
func (p *parser) environment(section reflect.Value, prefix string) {
	for _, f := range fieldsOf(section, prefix) {
		if f.section() {
			p.environment(f.value, f.key+".")
			continue
		}
		text, ok := os.LookupEnv(VariableOf(f.key))
		if !ok {
			continue
		}
		p.variables[f.key], p.unread[f.key] = true, false
		p.problems = slices.DeleteFunc(p.problems, func(err error) bool { // what the file says does not count.
			var said *Problem
			return errors.As(err, &said) && said.Key == f.key
		})
		if err := f.set(f.node(text)); err != nil {
			p.unreadable(0, f.key, err.Error())
		}
	}
}

// node is a variable's text as the value of a file.
func (f *field) node(text string) *yaml.Node {
	if _, list := f.value.Addr().Interface().(*[]string); !list {
		return &yaml.Node{Kind: yaml.ScalarNode, Value: text}
	}
	n := &yaml.Node{Kind: yaml.SequenceNode}
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			n.Content = append(n.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: item})
		}
	}
	return n
}

// MisspelledVariables finds names in an environment (NAME=VALUE, as os.Environ returns it) that were probably meant to
// set a key and set none: by the name that was meant.
func MisspelledVariables(environment []string) map[string]string {
	var known []string
	for i := range keyDocs {
		known = append(known, VariableOf(keyDocs[i].key))
	}
	out := map[string]string{}
	for _, entry := range environment {
		name, _, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, variablePrefix) || slices.Contains(known, name) ||
			slices.Contains(otherVariables, name) {
			continue
		}
		if meant := Nearest(name, known); meant != "" {
			out[name] = meant
		}
	}
	return out
}

// otherVariables are those of kvs that set no key.
var otherVariables = []string{
	"KVS_HOME", "KVS_ENDPOINTS", "KVS_PROFILE", "KVS_CA", "KVS_CERT", "KVS_KEY", "KVS_TOKEN_FILE", "KVS_TEST_FAULTS",
	"KVS_DAEMON_LOG", "KVS_DAEMON_LOCK_FD",
}

// SourceDefault is the source of a setting that neither the file nor the environment has.
const SourceDefault = "default"

// Setting is one key with its value in force, and where that comes from.
type Setting struct {
	Key    string `json:"key"`
	Value  string `json:"value"`  // as in a file.
	Source string `json:"source"` // SourceDefault, "FILE:LINE", "environment KVS_KEY", or "derived" from other keys.
}

// Settings reads the file at path, and returns every key with its source, in the order of the file that Write writes.
func Settings(path string) ([]Setting, error) {
	path, content, err := contentOf(path)
	if err != nil {
		return nil, err
	}
	c, p, err := parse(path, content)
	if err != nil {
		return nil, err
	}
	defaults, out := Default(), []Setting(nil)
	p.settings(reflect.ValueOf(c).Elem(), reflect.ValueOf(&defaults).Elem(), "", &out)
	return out, nil
}

func (p *parser) settings(section, defaults reflect.Value, prefix string, out *[]Setting) {
	usual := fieldsOf(defaults, prefix)
	for i, f := range fieldsOf(section, prefix) {
		if f.section() {
			p.settings(f.value, usual[i].value, f.key+".", out)
			continue
		}
		s := Setting{Key: f.key, Value: f.text(), Source: SourceDefault}
		switch line := p.lines[f.key]; {
		case p.variables[f.key]:
			s.Source = environmentFile + " " + VariableOf(f.key)
		case line > 0:
			s.Source = fmt.Sprintf("%s:%d", p.file, line)
		case s.Value != usual[i].text():
			s.Source = "derived"
		}
		*out = append(*out, s)
	}
}
