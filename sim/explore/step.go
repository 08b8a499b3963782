package explore

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// stepKind is the kind of a step.
type stepKind uint8

const (
	stepDeliver stepKind = iota // message number `which` of node `from` arrives.
	stepRequest                 // client operation number `which` arrives.
	stepSynced                  // the node's fsync ends, for the which-th time.
	stepTick                    // the node wakes up, for the which-th time.
	stepEnd                     // no step is left: the execution is judged.
	stepCrash                   // the node crashes and starts again, for the which-th time.
	stepPass                    // time passes everywhere (`at` is zero), for the which-th time.
)

// step is one step of an execution. The same step of two executions that differ in the order of steps at other nodes is
// equal.
type step struct {
	kind  stepKind
	at    int // the node where it happens.
	from  int
	which int
}

func compareSteps(a, b step) int {
	return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.at, b.at), cmp.Compare(a.from, b.from),
		cmp.Compare(a.which, b.which))
}

// The letters of steps in schedules: d2<1#3 message 3 of n1 arrives at n2, r1#0 the first operation arrives at n1, s1#4
// the fsync of n1 ends, t1#0 n1 wakes up, c1#0 n1 crashes and starts again, p0#0 time passes.
var stepLetters = [...]string{stepDeliver: "d", stepRequest: "r", stepSynced: "s", stepTick: "t", stepCrash: "c",
	stepEnd: "end", stepPass: "p"}

// String prints the form that schedules have.
func (s step) String() string {
	from := ""
	if s.kind == stepDeliver {
		from = "<" + strconv.Itoa(s.from)
	}
	return fmt.Sprintf("%s%d%s#%d", stepLetters[s.kind], s.at, from, s.which)
}

func parseStep(text string) (s step, err error) {
	kind := slices.Index(stepLetters[:], text[:min(1, len(text))])
	at, which, ok := strings.Cut(text[min(1, len(text)):], "#")
	if kind < 0 || !ok {
		return s, fmt.Errorf("%q is no step: want a form like d2<1#3", text)
	}
	s.kind = stepKind(kind)
	from := ""
	if s.kind == stepDeliver {
		at, from, _ = strings.Cut(at, "<")
		if s.from, err = strconv.Atoi(from); err != nil {
			return s, fmt.Errorf("%q is no step: %w", text, err)
		}
	}
	var err2 error
	s.at, err = strconv.Atoi(at)
	s.which, err2 = strconv.Atoi(which)
	if err = cmp.Or(err, err2); err != nil {
		return s, fmt.Errorf("%q is no step: %w", text, err)
	}
	return s, nil
}
