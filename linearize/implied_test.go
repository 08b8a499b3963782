package linearize

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// A refusal that does not tell what it found does not keep open writes in the search when others tell that what it
// wanted was gone.
func TestImpliedRefusalsLeaveOpenWritesOut(t *testing.T) {
	h := &History{}
	at := int64(0)
	add := func(o Op) {
		o.Path, o.Process, o.Invoke = "k", len(h.Ops), at
		if o.Return = Never; o.Status == OK {
			o.Return = at + 5
		}
		h.Ops = append(h.Ops, o)
		at += 10
	}
	for i := range 200 {
		add(Op{Kind: Put, Input: fmt.Sprint("open", i), Status: Info})
	}
	add(Op{Kind: Put, Input: "wanted", Status: OK})
	add(Op{Kind: Put, Input: "other", Status: OK})
	add(Op{Kind: Get, Found: true, Output: "other", Status: OK})
	for _, o := range []struct {
		expect string
		absent bool
	}{{"wanted", false}, {"never written", false}, {"", true}} {
		add(Op{Kind: CAS, Input: "new" + o.expect, Expect: o.expect, ExpectAbsent: o.absent, Status: OK})
	}
	res := Check(h, Options{})
	require.Equal(t, Linearizable, res.Verdict, res.Summary())
	require.Len(t, analyse(split(h, Register, Options{})[0]).reduce(), 3,
		"the refusals and the open writes are left out")

	// nobody tells what replaced it: one of the open ones did.
	add(Op{Kind: CAS, Input: "newer", Expect: "other", Status: OK})
	a := analyse(split(h, Register, Options{})[0])
	require.True(t, a.blind())
	require.Len(t, a.reduce(), 204)
}
