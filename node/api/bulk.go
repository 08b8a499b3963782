package api

import (
	"encoding/json"
	"strings"
)

// ValueBytes is how many bytes the value has that SplitValue has split.
func ValueBytes(text *string, base64 []byte) int {
	if text != nil {
		return len(*text)
	}
	return len(base64)
}

// DecodeEntries reads entries of a listing, one a line, each of which ends in a line feed. It calls add for each, and
// ends with the first error. The entries share memory: one that is kept keeps all of them.
func DecodeEntries(lines []byte, add func(*Entry) error) error {
	const room = 64
	var entries []Entry
	var texts []string
	var sizes []int
	p := plain{text: string(lines)}
	for begin := 0; begin < len(p.text); {
		if len(entries) == 0 { // some of them share an allocation.
			entries, texts, sizes = make([]Entry, room), make([]string, room), make([]int, room)
		}
		end := begin + 1 + strings.IndexByte(p.text[begin:], '\n')
		if end == begin {
			end = len(p.text)
		}
		e := &entries[0]
		line := plain{text: p.text[begin:end]}
		line.entry(e, &texts[0], &sizes[0])
		if !line.end() {
			*e = Entry{}
			if err := json.Unmarshal(lines[begin:end], e); err != nil {
				return err
			}
		}
		if err := add(e); err != nil {
			return err
		}
		entries, texts, sizes, begin = entries[1:], texts[1:], sizes[1:], end
	}
	return nil
}

// entry reads an entry. text and bytes are room for what it points to.
func (p *plain) entry(e *Entry, text *string, bytes *int) {
	p.object(func(name string) uint {
		switch name {
		case "path":
			e.Path = p.string()
			return 1 << 0
		case "name":
			e.Name = p.string()
			return 1 << 1
		case "etag":
			e.ETag = p.string()
			return 1 << 2
		case "timestamp":
			e.Timestamp = p.string()
			return 1 << 3
		case "content_type":
			e.ContentType = p.string()
			return 1 << 4
		case "bytes":
			*bytes = p.int()
			e.Bytes = bytes
			return 1 << 5
		case "expires":
			e.Expires = p.string()
			return 1 << 6
		case "value":
			*text = p.string()
			e.Text = text
			return 1 << 7
		case "value_base64":
			e.Base64 = p.base64()
			return 1 << 8
		}
		return 0
	})
}

// PlainOperations reads a JSON array of operations, if it is plain; else encoding/json has to read it. Their texts
// share memory, everything else has its own.
func PlainOperations(body []byte) (ops []BatchOperation, ok bool) {
	p := plain{text: string(body)}
	ops = []BatchOperation{}
	p.list(func() {
		ops = append(ops, BatchOperation{})
		p.operation(&ops[len(ops)-1])
	})
	if !p.end() {
		return nil, false
	}
	return ops, true
}

func (p *plain) operation(o *BatchOperation) {
	p.object(func(name string) uint {
		switch name {
		case "op":
			o.Op = known(p.string())
			return 1 << 0
		case "path":
			o.Path = p.kept()
			return 1 << 1
		case "consistency":
			o.Consistency = p.kept()
			return 1 << 2
		case "value":
			text := p.string()
			o.Text = &text
			return 1 << 3
		case "value_base64":
			o.Base64 = p.base64()
			return 1 << 4
		case "content_type":
			o.ContentType = known(p.string())
			return 1 << 5
		case "ttl":
			o.TTL = p.kept()
			return 1 << 6
		case "if_match":
			o.IfMatch = p.strings()
			return 1 << 7
		case "if_none_match":
			o.IfNoneMatch = p.strings()
			return 1 << 8
		case "idempotency_key":
			o.IdempotencyKey = p.kept()
			return 1 << 9
		}
		return 0
	})
}

// known is a string with memory of its own, which the most frequent ones need not get.
func known(s string) string {
	switch s {
	case BatchPut:
		return BatchPut
	case ContentTypeBinary:
		return ContentTypeBinary
	case ContentTypeJSON:
		return ContentTypeJSON
	}
	return strings.Clone(s)
}

// DecodeResults reads the answer to a batch. The results share memory: one that is kept keeps all of them.
func DecodeResults(body []byte) (out BatchResults, err error) {
	p := plain{text: string(body)}
	p.object(func(name string) uint {
		switch name {
		case "results":
			out.Results = []BatchResult{}
			p.list(func() {
				out.Results = append(out.Results, BatchResult{})
				p.result(&out.Results[len(out.Results)-1])
			})
			return 1 << 0
		case "failed":
			out.Failed = p.int()
			return 1 << 1
		}
		return 0
	})
	if p.end() {
		return out, nil
	}
	out = BatchResults{}
	err = json.Unmarshal(body, &out)
	return out, err
}

// result reads the result of a write that succeeded; encoding/json reads others.
func (p *plain) result(r *BatchResult) {
	p.object(func(name string) uint {
		switch name {
		case "op":
			r.Op = p.string()
			return 1 << 0
		case "path":
			r.Path = p.string()
			return 1 << 1
		case "status":
			r.Status = p.int()
			return 1 << 2
		case "etag":
			r.ETag = p.string()
			return 1 << 3
		case "timestamp":
			r.Timestamp = p.string()
			return 1 << 4
		case "consistency":
			r.Consistency = p.string()
			return 1 << 5
		case "expires":
			r.Expires = p.string()
			return 1 << 6
		}
		return 0
	})
}
