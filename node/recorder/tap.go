package recorder

import (
	"errors"
	"fmt"
	"slices"

	"kvs/node"
	"kvs/node/contract"
	"kvs/node/slot"
)

// The reads of a step, in their order, each with a byte for its kind:
//
//	1 get        key text, outcome u8: 0 nothing there, 1 found, 2 error, 3 error: what is there is corrupt;
//	             then the value as bytes, or the error as text
//	2 scan       prefix and from text; then for each key that was shown u8 1, the key without the prefix as text, and
//	3 scan keys  the same without values
//	0            there are no more reads
const (
	readsEnd = 0
	ReadGet  = 1
	ReadScan = 2
	ReadKeys = 3

	outcomeNone    = 0
	outcomeFound   = 1
	outcomeError   = 2
	outcomeCorrupt = 3
	outcomeStopped = 4
)

// Read is one read of the store.
type Read struct {
	Kind    byte   // ReadGet, ReadScan or ReadKeys.
	Key     string // of a get; of a scan its prefix.
	From    string // of a scan.
	Found   bool   // of a get.
	Err     error
	Value   []byte  // of a get.
	Shown   []Shown // of a scan.
	Stopped bool    // of a scan: the core wanted no more.
}

// Shown is a key that a scan has shown.
type Shown struct {
	Key   string
	Value []byte // not of a scan of keys.
}

// Replaced is the read with other values, in other memory.
func (r *Read) Replaced(by slot.Replacer) Read {
	out := *r
	if r.Kind == ReadGet {
		out.Value = node.ReplaceStored(r.Key, r.Value, by)
	}
	out.Shown = slices.Clone(r.Shown)
	for i := range out.Shown {
		out.Shown[i].Value = node.ReplaceStored(out.Shown[i].Key, out.Shown[i].Value, by)
	}
	return out
}

// String describes the read in words.
func (r *Read) String() string {
	what := ""
	switch {
	case r.Err != nil:
		what = "error: " + r.Err.Error()
	case r.Kind != ReadGet:
		what = fmt.Sprintf("%d keys", len(r.Shown))
	case r.Found:
		what = fmt.Sprintf("%d bytes", len(r.Value))
	default:
		what = "nothing"
	}
	if r.Kind == ReadGet {
		return fmt.Sprintf("get %q: %s", r.Key, what)
	}
	return fmt.Sprintf("scan %q from %q: %s", r.Key, r.From, what)
}

func outcomeOf(err error) byte {
	if errors.Is(err, node.ErrCorrupt) {
		return outcomeCorrupt
	}
	return outcomeError
}

func appendRead(b []byte, r *Read) []byte {
	b = appendText(append(b, r.Kind), r.Key)
	if r.Kind == ReadGet {
		return appendGot(b, r.Value, r.Found, r.Err)
	}
	b = appendText(b, r.From)
	for i := range r.Shown {
		b = appendText(append(b, outcomeFound), r.Shown[i].Key[len(r.Key):])
		if r.Kind == ReadScan {
			b = appendBytes(b, r.Shown[i].Value)
		}
	}
	return appendScanEnd(b, r.Stopped, r.Err)
}

func appendGot(b, value []byte, found bool, err error) []byte {
	switch {
	case err != nil:
		return appendText(append(b, outcomeOf(err)), err.Error())
	case found:
		return appendBytes(append(b, outcomeFound), value)
	}
	return append(b, outcomeNone)
}

func appendScanEnd(b []byte, stopped bool, err error) []byte {
	switch {
	case err != nil:
		return appendText(append(b, outcomeOf(err)), err.Error())
	case stopped:
		return append(b, outcomeStopped)
	}
	return append(b, outcomeNone)
}

// recorded is an error of a store, as it was when it was recorded.
type recorded struct {
	text    string
	corrupt bool
}

func (e *recorded) Error() string { return e.text }

func (e *recorded) Is(target error) bool { return e.corrupt && target == node.ErrCorrupt }

func (r *fields) reads() (all []Read) {
	for !r.Failed() {
		kind := r.U8()
		if kind == readsEnd || r.Failed() {
			return all
		}
		if kind > ReadKeys {
			r.Fail()
			return all
		}
		one := Read{Kind: kind, Key: r.text()}
		if kind == ReadGet {
			r.got(&one)
		} else {
			r.shown(&one)
		}
		all = append(all, one)
	}
	return all
}

func (r *fields) got(one *Read) {
	switch outcome := r.U8(); outcome {
	case outcomeNone:
	case outcomeFound:
		one.Found, one.Value = true, r.bytes()
	case outcomeError, outcomeCorrupt:
		one.Err = &recorded{r.text(), outcome == outcomeCorrupt}
	default:
		r.Fail()
	}
}

func (r *fields) shown(one *Read) {
	one.From = r.text()
	for !r.Failed() {
		switch outcome := r.U8(); outcome {
		case outcomeNone, outcomeStopped:
			one.Stopped = outcome == outcomeStopped
			return
		case outcomeFound:
			s := Shown{Key: one.Key + r.text()}
			if one.Kind == ReadScan {
				s.Value = r.bytes()
			}
			one.Shown = append(one.Shown, s)
		case outcomeError, outcomeCorrupt:
			one.Err = &recorded{r.text(), outcome == outcomeCorrupt}
			return
		default:
			r.Fail()
		}
	}
}

// tap is the store of a node that is recorded. Reads between steps are no part of them.
type tap struct {
	of contract.Reader
	r  *Recorder
}

// Get implements contract.Reader.
func (t *tap) Get(key string) (value []byte, found bool, err error) {
	value, found, err = t.of.Get(key)
	if t.r.stepping {
		t.r.buf = appendGot(appendText(append(t.r.buf, ReadGet), key), value, found, err)
	}
	return value, found, err
}

// Scan implements contract.Reader.
func (t *tap) Scan(prefix, from string, fn func(key string, value []byte) bool) error {
	if !t.r.stepping {
		return t.of.Scan(prefix, from, fn)
	}
	r, more := t.r, true
	r.buf = appendText(appendText(append(r.buf, ReadScan), prefix), from)
	err := t.of.Scan(prefix, from, func(key string, value []byte) bool {
		r.buf = appendBytes(appendText(append(r.buf, outcomeFound), key[len(prefix):]), value)
		more = fn(key, value)
		return more
	})
	r.buf = appendScanEnd(r.buf, !more, err)
	return err
}

// ScanKeys implements contract.KeyScanner.
func (t *tap) ScanKeys(prefix, from string, fn func(key string) bool) error {
	if !t.r.stepping {
		return contract.ScanKeys(t.of, prefix, from, fn)
	}
	r, more := t.r, true
	r.buf = appendText(appendText(append(r.buf, ReadKeys), prefix), from)
	err := contract.ScanKeys(t.of, prefix, from, func(key string) bool {
		r.buf = appendText(append(r.buf, outcomeFound), key[len(prefix):])
		more = fn(key)
		return more
	})
	r.buf = appendScanEnd(r.buf, !more, err)
	return err
}
