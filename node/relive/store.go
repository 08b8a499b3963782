package relive

import (
	"fmt"

	"kvs/node/recorder"
)

// played is a store that shows in each step what the recorded core was shown.
type played struct {
	reads []recorder.Read // of the running step.
	next  int
	why   string // the first read that was not recorded; empty: there was none.
	asked string
}

func (s *played) begin(reads []recorder.Read) { *s = played{reads: reads} }

// end says what is wrong with the reads of the step; empty: nothing.
func (s *played) end() (why, recorded, relived string) {
	switch {
	case s.why != "":
		if s.next < len(s.reads) {
			recorded = s.reads[s.next].String()
		}
		return s.why, recorded, s.asked
	case s.next < len(s.reads):
		return "a read is missing", s.reads[s.next].String(), ""
	}
	return "", "", ""
}

// errAnother is what a read gets that was not recorded: from there on nothing can be compared.
type errAnother struct{}

func (errAnother) Error() string { return "this read is not in the recording" }

// take returns the next recorded read, if it is the one that is asked for.
func (s *played) take(kind byte, key, from string) *recorder.Read {
	if s.why == "" && s.next < len(s.reads) {
		if r := &s.reads[s.next]; r.Kind == kind && r.Key == key && r.From == from {
			s.next++
			return r
		}
	}
	if s.why == "" {
		s.why = "the core reads something else from its store"
		s.asked = fmt.Sprintf("get %q", key)
		if kind != recorder.ReadGet {
			s.asked = fmt.Sprintf("scan %q from %q", key, from)
		}
	}
	return nil
}

// Get implements contract.Reader.
func (s *played) Get(key string) (value []byte, found bool, err error) {
	r := s.take(recorder.ReadGet, key, "")
	if r == nil {
		return nil, false, errAnother{}
	}
	return r.Value, r.Found, r.Err
}

// Scan implements contract.Reader.
func (s *played) Scan(prefix, from string, fn func(key string, value []byte) bool) error {
	return s.scan(recorder.ReadScan, prefix, from, fn)
}

// ScanKeys implements contract.KeyScanner.
func (s *played) ScanKeys(prefix, from string, fn func(key string) bool) error {
	return s.scan(recorder.ReadKeys, prefix, from, func(key string, _ []byte) bool { return fn(key) })
}

func (s *played) scan(kind byte, prefix, from string, fn func(key string, value []byte) bool) error {
	r := s.take(kind, prefix, from)
	if r == nil {
		return errAnother{}
	}
	for i := range r.Shown {
		more, last := fn(r.Shown[i].Key, r.Shown[i].Value), i == len(r.Shown)-1
		if r.Err != nil && last {
			break // of a scan that failed it is not recorded whether the core had stopped it there.
		}
		if stopped := r.Stopped && last; more == stopped {
			s.why = "the core stops a scan elsewhere"
			s.asked = fmt.Sprintf("scan %q from %q, until key %d", prefix, from, i+1)
			s.next--
			return errAnother{}
		}
	}
	return r.Err
}
