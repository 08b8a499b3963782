package foreign

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// form is a value in EDN, as far as histories need it: github.com/edn-format/edn. Numbers, symbols and characters
// stay as they are spelled.
type form struct {
	kind ednKind
	text string // of an atom: its spelling; of a string: its content; of a keyword: without the colon.
	list []form // of a collection; of a map: key, value, key, value.
	line int
}

type ednKind uint8

const (
	ednAtom    ednKind = iota // a number, symbol, character, true or false.
	ednNil                    // nil.
	ednString                 // "text".
	ednKeyword                // :name.
	ednVector                 // [...], and lists (...).
	ednSet                    // #{...}.
	ednMap                    // {...}.
)

// depthMax bounds how deep collections are nested.
const depthMax = 100

// String prints the form in one way only: equal values print alike. Elements of sets are sorted.
func (f form) String() string {
	switch f.kind {
	case ednNil:
		return "nil"
	case ednString:
		return `"` + ednEscapes.Replace(f.text) + `"`
	case ednKeyword:
		return ":" + f.text
	case ednVector:
		return "[" + strings.Join(texts(f.list), " ") + "]"
	case ednSet:
		list := texts(f.list)
		slices.Sort(list)
		return "#{" + strings.Join(list, " ") + "}"
	case ednMap:
		return "{" + strings.Join(texts(f.list), " ") + "}"
	}
	return f.text
}

var ednEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\t", `\t`, "\r", `\r`)

func texts(list []form) []string {
	out := make([]string, len(list))
	for i := range list {
		out[i] = list[i].String()
	}
	return out
}

// get returns what a map has under a keyword; nil if it has nothing there.
func (f form) get(keyword string) form {
	for i := 0; i+1 < len(f.list) && f.kind == ednMap; i += 2 {
		if k := f.list[i]; k.kind == ednKeyword && k.text == keyword {
			return f.list[i+1]
		}
	}
	return form{kind: ednNil, line: f.line}
}

// parser reads forms from b.
type parser struct {
	b    []byte
	at   int
	line int
}

// errEnd is the end of the text between two forms.
var errEnd = errors.New("the text ends")

// parseEDN reads all forms of a text.
func parseEDN(b []byte) ([]form, error) {
	p := parser{b: b, line: 1}
	if !utf8.Valid(b) {
		return nil, errors.New("not valid UTF-8")
	}
	var all []form
	for {
		f, err := p.next(0)
		if errors.Is(err, errEnd) {
			return all, nil
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", p.line, err)
		}
		all = append(all, f)
	}
}

// space skips the text between forms.
func (p *parser) space() {
	for ; p.at < len(p.b); p.at++ {
		switch c := p.b[p.at]; {
		case c == '\n':
			p.line++
		case c == ';':
			for p.at+1 < len(p.b) && p.b[p.at+1] != '\n' {
				p.at++
			}
		case c > ' ' && c != ',':
			return
		}
	}
}

// skip skips space, and forms that are discarded by #_.
func (p *parser) skip(depth int) error {
	for {
		p.space()
		if !bytes.HasPrefix(p.b[p.at:], []byte("#_")) {
			return nil
		}
		p.at += 2
		if _, err := p.next(depth + 1); errors.Is(err, errEnd) {
			return errors.New("nothing follows #_")
		} else if err != nil {
			return err
		}
	}
}

// next reads the next form.
func (p *parser) next(depth int) (form, error) {
	if depth > depthMax {
		return form{}, fmt.Errorf("more than %d collections within each other", depthMax)
	}
	if err := p.skip(depth); err != nil {
		return form{}, err
	}
	if p.at == len(p.b) {
		return form{}, errEnd
	}
	f := form{line: p.line}
	rest := p.b[p.at:]
	switch c := rest[0]; {
	case c == '"':
		var err error
		f.kind = ednString
		f.text, err = p.quoted()
		return f, err
	case c == '[':
		return p.collection(f, ednVector, 1, ']', depth)
	case c == '(':
		return p.collection(f, ednVector, 1, ')', depth)
	case c == '{':
		return p.collection(f, ednMap, 1, '}', depth)
	case bytes.HasPrefix(rest, []byte("#{")):
		return p.collection(f, ednSet, 2, '}', depth)
	case c == ']' || c == ')' || c == '}':
		return form{}, fmt.Errorf("%c closes nothing", c)
	case c == '#':
		return p.tagged(depth)
	}
	word := p.word()
	switch {
	case word == "nil":
		f.kind = ednNil
	case len(word) > 1 && word[0] == ':':
		f.kind, f.text = ednKeyword, word[1:]
	default:
		f.text = word
	}
	return f, nil
}

// tagged reads a form after a tag, which is ignored.
func (p *parser) tagged(depth int) (form, error) {
	p.at++
	if p.word() == "" {
		return form{}, errors.New("# stands alone")
	}
	f, err := p.next(depth + 1)
	if errors.Is(err, errEnd) {
		return form{}, errors.New("nothing follows a tag")
	}
	return f, err
}

// word reads up to the first character that cannot be part of an atom.
func (p *parser) word() string {
	begin := p.at
	if p.at < len(p.b) && p.b[p.at] == '\\' { // a character literal may be any character.
		_, n := utf8.DecodeRune(p.b[min(p.at+1, len(p.b)):])
		p.at += 1 + n
	}
	for p.at < len(p.b) && p.b[p.at] > ' ' && !strings.ContainsRune(`,;"()[]{}`, rune(p.b[p.at])) {
		p.at++
	}
	return string(p.b[begin:p.at])
}

// collection reads up to its closing bracket.
func (p *parser) collection(f form, kind ednKind, opening int, closing byte, depth int) (form, error) {
	f.kind = kind
	p.at += opening
	for {
		if err := p.skip(depth); err != nil {
			return f, err
		}
		if p.at < len(p.b) && p.b[p.at] == closing {
			p.at++
			if kind == ednMap && len(f.list)%2 != 0 {
				return f, errors.New("a map has a key without a value")
			}
			return f, nil
		}
		e, err := p.next(depth + 1)
		if errors.Is(err, errEnd) {
			return f, fmt.Errorf("the text ends within what begins on line %d", f.line)
		}
		if err != nil {
			return f, err
		}
		f.list = append(f.list, e)
	}
}

// quoted reads a string.
func (p *parser) quoted() (string, error) {
	var out []byte
	begin := p.line
	for p.at++; p.at < len(p.b); p.at++ {
		switch c := p.b[p.at]; c {
		case '"':
			p.at++
			return string(out), nil
		case '\n':
			p.line++
			out = append(out, c)
		case '\\':
			escaped, err := p.escape()
			if err != nil {
				return "", err
			}
			out = append(out, escaped...)
		default:
			out = append(out, c)
		}
	}
	return "", fmt.Errorf("the text ends within the string that begins on line %d", begin)
}

// escape reads what follows a backslash, and leaves the last byte of it to the caller.
func (p *parser) escape() (string, error) {
	p.at++
	if p.at == len(p.b) {
		return "", errors.New("the text ends behind a backslash")
	}
	if c := p.b[p.at]; c != 'u' {
		i := strings.IndexByte(`tnrbf"\`, c)
		if i < 0 {
			return "", fmt.Errorf(`\%c means nothing in a string`, c)
		}
		return "\t\n\r\b\f\"\\"[i : i+1], nil
	}
	digits := p.b[p.at+1 : min(p.at+5, len(p.b))]
	n, err := strconv.ParseUint(string(digits), 16, 16)
	if err != nil || len(digits) < 4 || n >= 0xd800 && n < 0xe000 {
		return "", fmt.Errorf(`\u%s is no character`, digits)
	}
	p.at += 4
	return string(rune(n)), nil
}
