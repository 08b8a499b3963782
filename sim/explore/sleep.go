package explore

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
)

// Sleep sets (Godefroid, chapter 5): of two steps that commute, one order is enough. If a step t was tried and then its
// sibling u, t sleeps below u until a step that does not commute with it wakes it up: running t there would lead to a
// state that was reached below t. All states are still reached; executions that would only reach known states are
// saved. A known state is stored with its sleep set: if it is reached again with fewer steps asleep, the remaining
// steps are run then.

// option is a possible step, with a name that is the same in any execution that reaches the same state, although
// messages of the same content may have other numbers there.
type option struct {
	step
	name name
}

// name is 128 bits of SHA-256.
type name [16]byte

// sleep is a set of steps.
type sleep []option

func (s sleep) has(o option) bool {
	return slices.ContainsFunc(s, func(z option) bool { return z.name == o.name })
}

// below is the set of steps that still sleep after a step.
func (s sleep) below(taken step, tried []option) (out sleep) {
	for _, list := range [...][]option{s, tried} {
		for _, z := range list {
			if commute(z.step, taken) && !out.has(z) {
				out = append(out, z)
			}
		}
	}
	return out
}

// commute reports whether two steps commute. Crashes make members meet, and wake-ups share a bound, so they do not.
func commute(a, b step) bool { return a.kind < stepTick && b.kind < stepTick && a.at != b.at }

// options names steps.
func (w *world) options(steps []step) []option {
	out := make([]option, len(steps))
	for i, s := range steps {
		out[i].step = s
		if !w.sleeps {
			continue
		}
		b := append(w.scratch[:0], byte(s.kind), byte(s.at), byte(s.from))
		switch s.kind {
		case stepDeliver:
			at := slices.IndexFunc(w.flight, func(f message) bool { return f.From == s.from && f.number == s.which })
			b = append(b, w.guide.Content(w.flight[at].Data)...)
		case stepRequest:
			b = binary.LittleEndian.AppendUint64(b, uint64(s.which))
		}
		w.scratch = b
		sum := sha256.Sum256(b)
		copy(out[i].name[:], sum[:])
	}
	return out
}

// visit returns which of the possible steps to try at a state, and whether the state is new.
func (k knowledge) visit(at state, asleep sleep, enabled []option) (todo []option, isNew bool) {
	before, met := k[at]
	if !met {
		k[at] = asleep
		return slices.DeleteFunc(enabled, asleep.has), true
	}
	missing := slices.DeleteFunc(slices.Clone(before), asleep.has)
	if len(missing) == 0 {
		return nil, false
	}
	k[at] = slices.DeleteFunc(slices.Clone(before), func(z option) bool { return !asleep.has(z) })
	return slices.DeleteFunc(enabled, func(o option) bool { return !missing.has(o) }), false
}

// knowledge is the set of steps that slept every time that a state was reached.
type knowledge map[state]sleep
