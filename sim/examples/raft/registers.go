package raft

import (
	"maps"
	"slices"
)

// registers is the replicated state machine: a map of registers, and what each session's last command answered. It is
// a function of the log alone.
type registers struct {
	values   map[string]string
	sessions map[uint64]session
}

// session remembers the last command of one client, so that the same command sent again is not applied again.
type session struct {
	seq    uint64
	result Result
}

func newRegisters() *registers {
	return &registers{values: make(map[string]string), sessions: make(map[uint64]session)}
}

// get reads a register.
func (s *registers) get(key string) (value string, found bool) {
	value, found = s.values[key]
	return value, found
}

// apply carries out a command of the log and returns the client's answer.
func (s *registers) apply(c *Command) Result {
	last := s.sessions[c.Session]
	switch {
	case c.Seq == last.seq:
		return last.result
	case c.Seq < last.seq:
		return Result{Status: Unknown, Detail: "a later command of this session has been applied"}
	}
	res := Result{Status: Done}
	value, found := s.values[c.Key]
	switch c.Kind {
	case Put:
		res.Applied = true
	case CAS:
		res.Applied = found != c.ExpectAbsent && (c.ExpectAbsent || value == c.Expect)
		if !res.Applied {
			res.Found, res.Value = found, value
		}
	}
	if res.Applied {
		s.values[c.Key] = c.Value
	}
	s.sessions[c.Session] = session{c.Seq, res}
	return res
}

// encode writes the whole state, in the order of its keys.
func (s *registers) encode(w *writer) {
	w.number(uint64(len(s.values)))
	for _, key := range slices.Sorted(maps.Keys(s.values)) {
		w.text(key)
		w.text(s.values[key])
	}
	w.number(uint64(len(s.sessions)))
	for _, id := range slices.Sorted(maps.Keys(s.sessions)) {
		last := s.sessions[id]
		w.number(id)
		w.number(last.seq)
		w.result(&last.result)
	}
}

// decodeRegisters reads what encode wrote.
func decodeRegisters(r *reader) *registers {
	s := newRegisters()
	for range r.count() {
		key := r.text()
		s.values[key] = r.text()
	}
	for range r.count() {
		id := r.number()
		seq := r.number()
		s.sessions[id] = session{seq, r.result()}
	}
	return s
}
