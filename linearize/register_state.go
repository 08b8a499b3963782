package linearize

import "fmt"

// content is what a register holds. The zero value is absent, the state every path begins in.
type content struct {
	found bool
	value string
}

var absent = content{}

func (c content) String() string { return showContent(c.found, c.value) }

// state is the state of a register in the middle of an order. It is compared with ==.
type state struct {
	content
	spare int // unknown deletes that may be used from now on.
}

// apply does s on the register and reports whether s could have gone like that.
func (st state) apply(s *step) (state, bool) {
	op := s.op
	switch {
	case s.outcome == spare:
		st.spare++
		return st, true
	case op.Kind == Get:
		return st.have(content{op.Found, op.Output})
	case op.Kind == Append:
		st.content = content{true, st.value + op.Input}
		return st, true
	case !op.Kind.isConditional():
		st.content = s.leaves()
		return st, true
	case s.outcome == maybe:
		if st.content == s.needs() {
			st.content = s.leaves()
		}
		return st, true
	case !s.refused():
		st, ok := st.have(s.needs())
		st.content = s.leaves()
		return st, ok
	case op.Shown:
		shown := content{op.Found, op.Output}
		st, ok := st.have(shown)
		return st, ok && shown != s.needs()
	}
	return st, st.content != s.needs()
}

// have reports whether the register can hold want at this moment, using a spare delete if necessary.
func (st state) have(want content) (state, bool) {
	if st.content != want && want == absent && st.spare > 0 {
		return state{absent, st.spare - 1}, true
	}
	return st, st.content == want
}

func (st state) String() string {
	if st.spare > 0 {
		return fmt.Sprintf("%s, %d unknown deletes", st.content, st.spare)
	}
	return st.content.String()
}

// refused reports whether c certainly took place and certainly changed nothing, although it is a write.
func (c *call) refused() bool { return c.status == OK && c.op.refused() }

// blind reports whether c is a refused compare-and-set that does not tell what it found.
func (c *call) blind() bool { return c.refused() && !c.op.Shown }

// saw returns what the register held at the moment of c, if c is known to have happened and the answer tells exactly.
func (c *call) saw() (content, bool) {
	if c.status != OK {
		return absent, false
	}
	if c.op.Kind == Get || c.op.Shown {
		return content{c.op.Found, c.op.Output}, true
	}
	return c.needs(), c.op.Applied
}

// needs returns what a compare-and-set must find to be applied.
func (c *call) needs() content { return content{!c.op.ExpectAbsent, c.op.Expect} }

// leaves returns what the register holds right after c, if c is a write and is applied. Append is handled elsewhere.
func (c *call) leaves() content {
	if c.op.Kind == Delete || c.op.Kind == CASDelete {
		return absent
	}
	return content{true, c.op.Input}
}

// writes reports whether c changed the register, or may have.
func (c *call) writes() bool { return c.op.Kind.isWrite() && c.status != Fail && !c.refused() }
