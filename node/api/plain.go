package api

import (
	"encoding/base64"
	"strconv"
	"strings"
	"unicode/utf8"
)

// The documents of bulk transfers are read without reflection, which takes most of the time otherwise. What
// a reader here does not know, it leaves to encoding/json: an unknown or repeated member, null, another kind of value.
// So what is an error, and what a document means, is encoding/json's in every case.

// plain reads plain JSON. It is not safe for concurrent use.
type plain struct {
	text string
	at   int
	bad  bool // this is not plain, or no JSON: encoding/json decides.
}

func (p *plain) fail() { p.bad = true }

// space passes white space.
func (p *plain) space() {
	for p.at < len(p.text) {
		switch p.text[p.at] {
		case ' ', '\t', '\n', '\r':
			p.at++
		default:
			return
		}
	}
}

// is passes white space and then the byte b, if it comes next.
func (p *plain) is(b byte) bool {
	p.space()
	if p.at < len(p.text) && p.text[p.at] == b {
		p.at++
		return true
	}
	return false
}

func (p *plain) want(b byte) {
	if !p.is(b) {
		p.fail()
	}
}

// end reports whether all was plain, and nothing is left.
func (p *plain) end() bool {
	p.space()
	return !p.bad && p.at == len(p.text)
}

// object calls member for each member of an object, which reads its value. member returns the bit of a name that it
// knows; zero: it knows none. A name that comes twice is left to encoding/json.
func (p *plain) object(member func(name string) uint) {
	p.want('{')
	if p.is('}') {
		return
	}
	seen := uint(0)
	for !p.bad {
		name := p.string()
		p.want(':')
		if p.bad {
			return
		}
		bit := member(name)
		if bit == 0 || seen&bit != 0 {
			p.fail()
		}
		seen |= bit
		if !p.is(',') {
			p.want('}')
			return
		}
	}
}

// list calls item for each item of an array, which reads it.
func (p *plain) list(item func()) {
	p.want('[')
	if p.is(']') {
		return
	}
	for !p.bad {
		item()
		if !p.is(',') {
			p.want(']')
			return
		}
	}
}

// string reads a string. It shares the memory of the text, unless something in it is escaped.
func (p *plain) string() string {
	p.want('"')
	if p.bad {
		return ""
	}
	from, ascii := p.at, true
	for i := from; i < len(p.text); i++ {
		switch b := p.text[i]; {
		case b == '"':
			p.at = i + 1
			if s := p.text[from:i]; ascii || utf8.ValidString(s) {
				return s
			}
			p.fail() // encoding/json replaces what is no UTF-8.
			return ""
		case b == '\\':
			return p.escaped(from, i)
		case b < ' ':
			p.fail()
			return ""
		case b >= utf8.RuneSelf:
			ascii = false
		}
	}
	p.fail()
	return ""
}

// escaped reads a string that begins at from, and has its first backslash at i.
func (p *plain) escaped(from, i int) string {
	var out strings.Builder
	for {
		n := strings.IndexAny(p.text[i:], `\"`)
		if n < 0 {
			break
		}
		part := p.text[from : i+n]
		out.WriteString(part)
		i += n
		if p.text[i] == '"' {
			p.at = i + 1
			if s := out.String(); utf8.ValidString(s) && !hasControl(p.text[from:i]) {
				return s
			}
			break
		}
		if hasControl(part) || i+1 == len(p.text) {
			break
		}
		switch b := p.text[i+1]; b {
		case '"', '\\', '/':
			out.WriteByte(b)
		case 'b', 'f', 'n', 'r', 't':
			out.WriteByte("\b\f\n\r\t"[strings.IndexByte("bfnrt", b)])
		case 'u':
			if i+6 > len(p.text) {
				p.fail()
				return ""
			}
			r, err := strconv.ParseUint(p.text[i+2:i+6], 16, 16)
			if err != nil || r >= 0xd800 && r < 0xe000 { // halves of a pair: encoding/json puts them together.
				p.fail()
				return ""
			}
			out.WriteRune(rune(r))
			i += 4
		default:
			p.fail()
			return ""
		}
		i += 2
		from = i
	}
	p.fail()
	return ""
}

func hasControl(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' {
			return true
		}
	}
	return false
}

// kept is a string with memory of its own.
func (p *plain) kept() string { return strings.Clone(p.string()) }

// base64 reads bytes in base64.
func (p *plain) base64() []byte {
	s := p.string()
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil || strings.ContainsAny(s, "\r\n") {
		p.fail()
	}
	return b
}

// int reads a whole number that is not negative.
func (p *plain) int() int {
	p.space()
	from, n := p.at, 0
	for p.at < len(p.text) && p.text[p.at] >= '0' && p.text[p.at] <= '9' && p.at-from < 9 {
		n = 10*n + int(p.text[p.at]-'0')
		p.at++
	}
	if digits := p.at - from; digits == 0 || digits > 1 && p.text[from] == '0' ||
		p.at < len(p.text) && strings.IndexByte(",}] \t\r\n", p.text[p.at]) < 0 {
		p.fail()
	}
	return n
}

// strings reads an array of strings, which have memory of their own.
func (p *plain) strings() []string {
	out := []string{}
	p.list(func() { out = append(out, p.kept()) })
	return out
}
