// Package rest speaks to any store with a REST interface, by templates: what is sent for a get, a put, a delete and a
// compare-and-set, and how the answer is read.
package rest

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"text/template"

	"kvs/scenarios/live/driver"
)

// Options of the driver, as a system's file has them. Only Get and Put are required: an operation that has no request
// here is not done.
type Options struct {
	Get       Request `yaml:"get"`
	Put       Request `yaml:"put"`
	Delete    Request `yaml:"delete"`
	Create    Request `yaml:"create"`     // a put of a key that must be absent.
	CAS       Request `yaml:"cas"`        // a put of a key that must hold Expect, or have Version.
	CASDelete Request `yaml:"cas-delete"` // a delete of a key that must.
}

// Request is a request and how its answer is read. Path, header and body are templates of text/template with the fields
// Key, Value, Expect and Version, and the functions path, query, base64 and json, which spell a text for its place.
type Request struct {
	Method string            `yaml:"method"`
	Path   string            `yaml:"path"` // begins with a slash.
	Header map[string]string `yaml:"header"`
	Body   string            `yaml:"body"`

	// The statuses of answers, and what they mean. One in no list means that the outcome is unknown.
	OK      []int `yaml:"ok"`
	Absent  []int `yaml:"absent"`  // of a get: there is no value.
	Refused []int `yaml:"refused"` // of a conditional write: the condition was false.
	Fail    []int `yaml:"fail"`    // it has not happened and never will.

	// RefusedIf is a body, without space around it, that makes an answer with an OK status a refusal.
	RefusedIf string `yaml:"refused-if"`
	// Value says where the value of a get is: body, or json and a path such as "json kvs.0.value".
	Value string `yaml:"value"`
	// Encoding is how it is spelled there: base64, or plain if it is empty.
	Encoding string `yaml:"encoding"`
	// Version says where the version is: json and a path, or header and a name; empty: there is none.
	Version string `yaml:"version"`
}

// New returns the driver.
func New(o Options) (driver.Driver, error) {
	var d opener
	for _, part := range []struct {
		name     string
		from     Request
		to       **request
		required bool
	}{
		{"get", o.Get, &d.get, true}, {"put", o.Put, &d.put, true}, {"delete", o.Delete, &d.delete, false},
		{"create", o.Create, &d.create, false}, {"cas", o.CAS, &d.cas, false},
		{"cas-delete", o.CASDelete, &d.casDelete, false},
	} {
		if part.from.Method == "" && part.from.Path == "" && !part.required {
			continue
		}
		compiled, err := compile(part.from)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", part.name, err)
		}
		*part.to = compiled
	}
	return d, nil
}

type opener struct{ get, put, delete, create, cas, casDelete *request }

func (o opener) Open(endpoint string) (driver.Client, error) {
	return &client{driver.NewWeb(endpoint), o}, nil
}

// request is a Request with its templates compiled.
type request struct {
	Request
	path, body *template.Template
	header     map[string]*template.Template
	byVersion  bool // a template names the version.
}

var functions = template.FuncMap{
	"path":   func(s string) string { return (&url.URL{Path: s}).EscapedPath() },
	"query":  url.QueryEscape,
	"base64": func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) },
	"json": func(s string) (string, error) {
		b, err := json.Marshal(s)
		return string(b), err
	},
}

// fields are what the templates may name.
type fields struct{ Key, Value, Expect, Version string }

func compile(r Request) (*request, error) {
	switch kind, where, _ := strings.Cut(r.Value, " "); {
	case r.Method == "":
		return nil, errors.New("it has no method")
	case !strings.HasPrefix(r.Path, "/"):
		return nil, fmt.Errorf("path %q: begin with a slash", r.Path)
	case len(r.OK) == 0:
		return nil, errors.New("no status is ok: name one, such as [200]")
	case kind != "" && kind != inBody && (kind != inJSON || where == ""):
		return nil, fmt.Errorf("value: %q: use body, or json and a path", r.Value)
	case r.Encoding != "" && r.Encoding != "base64":
		return nil, fmt.Errorf("encoding: %q: use base64, or none", r.Encoding)
	}
	kind, where, _ := strings.Cut(r.Version, " ")
	if kind != "" && (kind != inJSON && kind != inHeader || where == "") {
		return nil, fmt.Errorf("version: %q: use json and a path, or header and a name", r.Version)
	}
	out := &request{Request: r, header: map[string]*template.Template{}}
	parse := func(text string) (*template.Template, error) {
		t, err := template.New("").Funcs(functions).Parse(text)
		if err != nil {
			return nil, err
		}
		without, err := fill(t, fields{}) // a field that there is not is an error now.
		with, _ := fill(t, fields{Version: "1"})
		out.byVersion = out.byVersion || with != without
		return t, err
	}
	var err, bodyErr error
	out.path, err = parse(r.Path)
	out.body, bodyErr = parse(r.Body)
	err = errors.Join(err, bodyErr)
	for name, text := range r.Header {
		t, headerErr := parse(text)
		out.header[name], err = t, errors.Join(err, headerErr)
	}
	return out, err
}

type client struct {
	web *driver.Web
	opener
}

// ask sends a request, and says what the status of the answer means for a write.
func (c *client) ask(ctx context.Context, r *request, f fields) (driver.Answer, error) {
	switch {
	case r == nil:
		return driver.Answer{}, driver.NotDonef("the system's file has no request for this operation")
	case r.byVersion && f.Version == "":
		return driver.Answer{}, driver.NotDonef("the version is not known: no answer has named it yet")
	}
	header := http.Header{}
	for name, t := range r.header {
		text, err := fill(t, f)
		if err != nil {
			return driver.Answer{}, driver.NotDone(err)
		}
		header.Set(name, text)
	}
	path, err := fill(r.path, f)
	body, bodyErr := fill(r.body, f)
	if err := errors.Join(err, bodyErr); err != nil {
		return driver.Answer{}, driver.NotDone(err)
	}
	a, err := c.web.Do(ctx, r.Method, path, header, []byte(body))
	switch {
	case err != nil:
		return a, err
	case slices.Contains(r.Refused, a.Status),
		slices.Contains(r.OK, a.Status) && r.RefusedIf != "" && strings.TrimSpace(string(a.Body)) == r.RefusedIf:
		return a, driver.ErrRefused
	case slices.Contains(r.OK, a.Status) || slices.Contains(r.Absent, a.Status):
		return a, nil
	case slices.Contains(r.Fail, a.Status):
		return a, driver.NotDonef("the store answered with %s", a)
	}
	return a, fmt.Errorf("the store answered with %s", a)
}

func fill(t *template.Template, f fields) (string, error) {
	var b strings.Builder
	err := t.Execute(&b, f)
	return b.String(), err
}

func (c *client) Get(ctx context.Context, key string) (v driver.Value, err error) {
	a, err := c.ask(ctx, c.get, fields{Key: key})
	if err != nil || slices.Contains(c.get.Absent, a.Status) {
		return v, err
	}
	text, found := string(a.Body), true
	if where, ok := strings.CutPrefix(c.get.Request.Value, inJSON+" "); ok {
		if text, found, err = pick(a.Body, where); err != nil || !found {
			return v, err
		}
	}
	v = driver.Value{Found: true, Bytes: []byte(text)}
	if c.get.Encoding != "" {
		if v.Bytes, err = base64.StdEncoding.DecodeString(text); err != nil {
			return driver.Value{}, fmt.Errorf("the value %q: %w", text, err)
		}
	}
	v.Version, err = c.get.version(a)
	return v, err
}

func (c *client) Put(ctx context.Context, key string, value []byte, condition *driver.Condition) (string, error) {
	r, f := c.put, fields{Key: key, Value: string(value)}
	switch {
	case condition == nil:
	case !condition.Found:
		r = c.create
	default:
		r = c.cas
		f.Expect, f.Version = string(condition.Bytes), condition.Version
	}
	a, err := c.ask(ctx, r, f)
	if err != nil {
		return "", err
	}
	version, _ := r.version(a) // it was written, whatever the answer lacks.
	return version, nil
}

func (c *client) Delete(ctx context.Context, key string, condition *driver.Condition) error {
	r, f := c.delete, fields{Key: key}
	if condition != nil {
		r = c.casDelete
		f.Expect, f.Version = string(condition.Bytes), condition.Version
	}
	_, err := c.ask(ctx, r, f)
	return err
}

func (c *client) Close() { c.web.Close() }

// The places of values and versions in an answer.
const (
	inBody   = "body"
	inJSON   = "json"
	inHeader = "header"
)

// version is that of an answer; empty: it has none.
func (r *request) version(a driver.Answer) (string, error) {
	kind, where, _ := strings.Cut(r.Request.Version, " ")
	switch kind {
	case inHeader:
		return a.Header.Get(where), nil
	case inJSON:
		text, _, err := pick(a.Body, where)
		return text, err
	}
	return "", nil
}

// pick finds a text or a number in a JSON document, by the names of members and the numbers of elements with dots
// between. One that is not there is not found.
func pick(document []byte, path string) (text string, found bool, err error) {
	decoder := json.NewDecoder(bytes.NewReader(document))
	decoder.UseNumber() // 64 bits, unchanged.
	var at any
	if err := decoder.Decode(&at); err != nil {
		return "", false, fmt.Errorf("the answer is no JSON document: %w", err)
	}
	for step := range strings.SplitSeq(path, ".") {
		switch is := at.(type) {
		case map[string]any:
			at = is[step]
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i < 0 || i >= len(is) {
				return "", false, nil
			}
			at = is[i]
		default:
			return "", false, nil
		}
	}
	switch is := at.(type) {
	case nil:
		return "", false, nil
	case string:
		return is, true, nil
	case json.Number:
		return is.String(), true, nil
	}
	return "", false, fmt.Errorf("%s is neither a text nor a number", path)
}
