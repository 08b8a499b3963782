package linearize

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// A history file, format 2, is JSON lines in UTF-8: a header, then one operation a line, in order of invoke, then the
// number of operations. Every line ends with a newline, so that a file cut short is noticed wherever it was cut.
//
//	header:    format, model, world, seed (a string: JavaScript has no 64-bit integers), scenario, commit, plan,
//	           promises (a list of name and path), nodes, started
//	operation: process, node, op, path, level, input, expect, expect_absent, amount, applied, shown, found, output,
//	           list, number, version, invoke, return, gave_up, status, error
//	end:       operations
//
// The fields are those of Header and Op. Fields that are empty, false, 0 or Never are left out. Text that is not valid
// UTF-8 is written as {"base64": "..."}. Unknown fields and unknown formats are refused: a checker that ignores data is
// worse than none.
//
// Format 1 had registers only, no promises and no end: missing lines at its end are not detected. Read takes both,
// Write writes format 2. docs/reference/histories.md has the same for people.

// lineBytesMax bounds a line of a history file: the largest value, as input or output, in its longest spelling.
const lineBytesMax = 64 << 20

// Write writes h to w in format 2, whatever format it was read from. It refuses a history that Read would refuse.
func Write(w io.Writer, h *History) error {
	if h.Format < 0 || h.Format > Format {
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
	n := len(h.Ops)
	if err := e.Encode(wireEnd{&n}); err != nil {
		return fmt.Errorf("history: %w", err)
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("history: %w", err)
	}
	return nil
}

// Read reads what Write wrote, and format 1. Errors name the line. The history has been validated.
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
	v := validator{}
	if v.model, err = h.model(); err != nil {
		return nil, lines.wrap(err)
	}
	if err := h.readOps(&lines); err != nil {
		return nil, lines.wrap(err)
	}
	// The validator remembers operations, which may have moved while the slice grew, so it comes after.
	for i := range h.Ops {
		if err := v.add(&h.Ops[i]); err != nil {
			return nil, fmt.Errorf("history: line %d: %w", i+2, err)
		}
	}
	return h, nil
}

// readOps reads the lines behind the header.
func (h *History) readOps(lines *lineReader) error {
	ended := false
	for {
		line, err := lines.next()
		switch {
		case err == io.EOF && h.Format > 1 && !ended:
			return errors.New("cut short: the last line, which has the number of operations, is missing")
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		case ended:
			return errors.New("a line follows the number of operations, which is the last")
		case h.Format > 1 && bytes.HasPrefix(line, []byte(`{"operations"`)):
			var end wireEnd
			if err := unmarshalStrict(line, &end); err != nil {
				return err
			}
			if end.Operations == nil || *end.Operations != len(h.Ops) {
				return fmt.Errorf("%s, but there are %d above: some are missing, or were added", line, len(h.Ops))
			}
			ended = true
			continue
		}
		op, err := parseOp(line, h.Format)
		if err != nil {
			return err
		}
		h.Ops = append(h.Ops, op)
	}
}

func parseHeader(line []byte) (Header, error) {
	// The format is read first and leniently: in another format the other fields may differ.
	var f struct {
		Format *int `json:"format"`
	}
	if err := json.Unmarshal(line, &f); err != nil {
		return Header{}, fmt.Errorf("not the header of a history: %w", err)
	}
	var w wireHeader
	var err error
	switch {
	case f.Format == nil:
		return Header{}, errors.New("not the header of a history: it has no format")
	case *f.Format == 1:
		var one wireHeader1
		err = unmarshalStrict(line, &one)
		w = wireHeader{
			Format: one.Format, World: one.World, Seed: one.Seed, Scenario: one.Scenario, Commit: one.Commit,
			Plan:  one.Plan,
			Nodes: one.Nodes, Started: one.Started,
		}
	case *f.Format == Format:
		err = unmarshalStrict(line, &w)
	default:
		return Header{}, fmt.Errorf(
			"format %d is unknown: this version reads formats 1 and %d; use the kvsim that wrote the file", *f.Format,
			Format)
	}
	if err != nil {
		return Header{}, fmt.Errorf("header: %w", err)
	}
	h := Header{
		Format: w.Format, Model: string(w.Model), World: string(w.World), Seed: w.Seed, Scenario: string(w.Scenario),
		Commit: string(w.Commit), Plan: string(w.Plan), Started: string(w.Started),
	}
	for _, n := range w.Nodes {
		h.Nodes = append(h.Nodes, string(n))
	}
	for _, p := range w.Promises {
		h.Promises = append(h.Promises, Promise{string(p.Name), string(p.Path)})
	}
	return h, nil
}

func headerToWire(h *Header) wireHeader {
	w := wireHeader{
		Format: Format, Model: word(h.Model), World: text(h.World), Seed: h.Seed, Scenario: text(h.Scenario),
		Commit: text(h.Commit), Plan: text(h.Plan), Started: text(h.Started),
	}
	if h.Model == "" {
		w.Model = word(Register.Name())
	}
	for _, n := range h.Nodes {
		w.Nodes = append(w.Nodes, text(n))
	}
	for _, p := range h.Promises {
		w.Promises = append(w.Promises, wirePromise{text(p.Name), text(p.Path)})
	}
	return w
}

func parseOp(line []byte, format int) (Op, error) {
	var w wireOp
	var err error
	if format == 1 {
		err = unmarshalStrict(line, &w.wireOp1)
	} else {
		err = unmarshalStrict(line, &w)
	}
	if err != nil {
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
		Input: string(w.Input), Expect: string(w.Expect), ExpectAbsent: w.ExpectAbsent, Amount: w.Amount,
		Applied: w.Applied, Shown: w.Shown, Found: w.Found, Output: string(w.Output), Number: w.Number,
		Version: string(w.Version),
		Invoke:  *w.Invoke, Return: Never, GaveUp: w.GaveUp, Status: status, Error: string(w.Error),
	}
	for _, e := range w.List {
		op.List = append(op.List, string(e))
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
	w := wireOp{wireOp1: wireOp1{
		Process: &o.Process, Node: text(o.Node), Kind: word(o.Kind.String()), Path: text(o.Path), Level: text(o.Level),
		Input: text(o.Input), Expect: text(o.Expect), ExpectAbsent: o.ExpectAbsent,
		Applied: o.Applied, Shown: o.Shown, Found: o.Found, Output: text(o.Output), Version: text(o.Version),
		Invoke: &o.Invoke, GaveUp: o.GaveUp, Status: word(o.Status.String()), Error: text(o.Error),
	}, Amount: o.Amount, Number: o.Number}
	for _, e := range o.List {
		w.List = append(w.List, text(e))
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
			return nil,
				errors.New("cut short: the newline at its end is missing, so the file was not written completely")
		case err != nil:
			return nil, err
		case !utf8.Valid(l.line):
			return nil, errors.New("not valid UTF-8")
		case l.n == 1 && bytes.HasPrefix(l.line, []byte("\ufeff")):
			return nil, errors.New("the file begins with a byte order mark: save it as UTF-8 without one")
		case len(bytes.TrimSpace(l.line)) == 0:
			return nil, errors.New("an empty line: a history has none")
		}
		return l.line[:len(l.line)-1], nil
	}
}

func (l *lineReader) wrap(err error) error { return fmt.Errorf("history: line %d: %w", l.n, err) }
