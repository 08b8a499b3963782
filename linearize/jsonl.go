package linearize

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// A history file, format 1, is JSON lines in UTF-8: a header, then one operation a line, in order of invoke. Every line ends
// with a newline, so that a file cut short is noticed.
//
//	header:    format, world, seed (a string: JavaScript has no 64-bit integers), scenario, commit, plan, nodes, started
//	operation: process, node, op, path, level, input, expect, expect_absent, applied, shown, found, output, version,
//	           invoke, return, gave_up, status, error
//
// The fields are those of Header and Op. What is empty, false or Never is left out. Text that is not valid UTF-8 is written
// as {"base64": "..."}. Unknown fields and unknown formats are refused: a checker that overlooks something is worse than none.

// lineBytesMax bounds a line of a history file: the largest value, as input or output, in its longest spelling.
const lineBytesMax = 64 << 20

type wireHeader struct {
	Format   int    `json:"format"`
	World    text   `json:"world,omitempty"`
	Seed     uint64 `json:"seed,string"`
	Scenario text   `json:"scenario,omitempty"`
	Commit   text   `json:"commit,omitempty"`
	Plan     text   `json:"plan,omitempty"`
	Nodes    []text `json:"nodes,omitempty"`
	Started  text   `json:"started,omitempty"`
}

type wireOp struct {
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

// word is one of a few known words.
type word string

// text is a string that survives JSON whatever its bytes.
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

// unmarshalStrict refuses unknown fields and anything after the value.
func unmarshalStrict(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if rest := bytes.TrimSpace(b[d.InputOffset():]); len(rest) > 0 {
		return errors.New("something follows the closing brace")
	}
	return nil
}

// Write writes h to w in format 1. It refuses a history that Read would refuse.
func Write(w io.Writer, h *History) error {
	if h.Format != 0 && h.Format != Format {
		return fmt.Errorf("history: cannot write format %d: this version writes format %d", h.Format, Format)
	}
	if err := h.Validate(); err != nil {
		return fmt.Errorf("history: %w", err)
	}
	out := bufio.NewWriter(w)
	e := json.NewEncoder(out)
	e.SetEscapeHTML(false)
	if err := e.Encode(headerToWire(&h.Header)); err != nil {
		return fmt.Errorf("history: %w", err)
	}
	for i := range h.Ops {
		if err := e.Encode(opToWire(&h.Ops[i])); err != nil {
			return fmt.Errorf("history: operation %d: %w", i, err)
		}
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("history: %w", err)
	}
	return nil
}

// Read reads what Write wrote. Errors name the line. The history has been validated.
func Read(r io.Reader) (*History, error) {
	lines := lineReader{r: bufio.NewReader(r)}
	line, err := lines.next()
	if err == io.EOF {
		return nil, errors.New("history: the file is empty: it should begin with a header line")
	}
	if err != nil {
		return nil, lines.wrap(err)
	}
	h := new(History)
	if h.Header, err = parseHeader(line); err != nil {
		return nil, lines.wrap(err)
	}
	// The operations may move while the slice grows, so the validator, which remembers operations, comes after.
	for {
		if line, err = lines.next(); err == io.EOF {
			break
		} else if err != nil {
			return nil, lines.wrap(err)
		}
		op, err := parseOp(line)
		if err != nil {
			return nil, lines.wrap(err)
		}
		h.Ops = append(h.Ops, op)
	}
	var v validator
	for i := range h.Ops {
		if err := v.add(&h.Ops[i]); err != nil {
			return nil, fmt.Errorf("history: line %d: %w", i+2, err)
		}
	}
	return h, nil
}

func parseHeader(line []byte) (Header, error) {
	// The format comes first and leniently: in another format the other fields may be anything.
	var f struct {
		Format *int `json:"format"`
	}
	if err := json.Unmarshal(line, &f); err != nil {
		return Header{}, fmt.Errorf("not the header of a history: %w", err)
	}
	if f.Format == nil {
		return Header{}, errors.New("not the header of a history: it has no format")
	}
	if *f.Format != Format {
		return Header{}, fmt.Errorf("format %d is unknown: this version reads format %d; use the kvsim that wrote the file", *f.Format, Format)
	}
	var w wireHeader
	if err := unmarshalStrict(line, &w); err != nil {
		return Header{}, fmt.Errorf("header: %w", err)
	}
	h := Header{
		Format: w.Format, World: string(w.World), Seed: w.Seed, Scenario: string(w.Scenario), Commit: string(w.Commit),
		Plan: string(w.Plan), Started: string(w.Started),
	}
	for _, n := range w.Nodes {
		h.Nodes = append(h.Nodes, string(n))
	}
	return h, nil
}

func headerToWire(h *Header) wireHeader {
	w := wireHeader{
		Format: Format, World: text(h.World), Seed: h.Seed, Scenario: text(h.Scenario), Commit: text(h.Commit),
		Plan: text(h.Plan), Started: text(h.Started),
	}
	for _, n := range h.Nodes {
		w.Nodes = append(w.Nodes, text(n))
	}
	return w
}

func parseOp(line []byte) (Op, error) {
	var w wireOp
	if err := unmarshalStrict(line, &w); err != nil {
		return Op{}, err
	}
	if w.Process == nil || w.Invoke == nil {
		return Op{}, errors.New("an operation has at least process, op, path, invoke and status")
	}
	kind, err := ParseKind(string(w.Kind))
	if err != nil {
		return Op{}, err
	}
	status, err := ParseStatus(string(w.Status))
	if err != nil {
		return Op{}, err
	}
	op := Op{
		Process: *w.Process, Node: string(w.Node), Kind: kind, Path: string(w.Path), Level: string(w.Level),
		Input: string(w.Input), Expect: string(w.Expect), ExpectAbsent: w.ExpectAbsent,
		Applied: w.Applied, Shown: w.Shown, Found: w.Found, Output: string(w.Output), Version: string(w.Version),
		Invoke: *w.Invoke, Return: Never, GaveUp: w.GaveUp, Status: status, Error: string(w.Error),
	}
	if w.Return != nil {
		if status == Open || status == Info {
			return Op{}, fmt.Errorf("status %s has no return", status)
		}
		op.Return = *w.Return
	}
	return op, nil
}

func opToWire(o *Op) wireOp {
	w := wireOp{
		Process: &o.Process, Node: text(o.Node), Kind: word(o.Kind.String()), Path: text(o.Path), Level: text(o.Level),
		Input: text(o.Input), Expect: text(o.Expect), ExpectAbsent: o.ExpectAbsent,
		Applied: o.Applied, Shown: o.Shown, Found: o.Found, Output: text(o.Output), Version: text(o.Version),
		Invoke: &o.Invoke, GaveUp: o.GaveUp, Status: word(o.Status.String()), Error: text(o.Error),
	}
	if o.Return != Never {
		w.Return = &o.Return
	}
	return w
}

// lineReader hands out lines and counts them.
type lineReader struct {
	r    *bufio.Reader
	n    int // of the line handed out last, from 1.
	line []byte
}

// next returns the next line without its newline, or io.EOF at a clean end. The slice is valid until the call after.
func (l *lineReader) next() ([]byte, error) {
	l.line = l.line[:0]
	l.n++
	for {
		part, err := l.r.ReadSlice('\n')
		l.line = append(l.line, part...)
		switch {
		case len(l.line) > lineBytesMax:
			return nil, fmt.Errorf("longer than %d bytes", lineBytesMax)
		case err == bufio.ErrBufferFull:
			continue
		case err == io.EOF && len(l.line) > 0:
			return nil, errors.New("cut short: the newline at its end is missing, so the file was not written completely")
		case err != nil:
			return nil, err
		case !utf8.Valid(l.line):
			return nil, errors.New("not valid UTF-8")
		}
		return l.line[:len(l.line)-1], nil
	}
}

func (l *lineReader) wrap(err error) error { return fmt.Errorf("history: line %d: %w", l.n, err) }
