package linearize

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/anishathalye/porcupine"
)

// pictureTimeout is how long porcupine may look for the partial orders it draws. The verdict is known by then, and the
// orders found so far are worth drawing.
const pictureTimeout = 5 * time.Second

// Info is porcupine's information about the offending key, up to the operation that reveals the violation: its partial
// orders. It is empty if the history is linearizable. It is computed anew by every call, because it is not cheap.
func (res *Result) Info() porcupine.LinearizationInfo {
	if res.picture == nil {
		return porcupine.LinearizationInfo{}
	}
	m, ops := res.picture.porcupine()
	_, info := porcupine.CheckOperationsVerbose(m, ops, pictureTimeout)
	return info
}

// porcupine translates the path for porcupine: the steps are inputs with all their data; outputs are not used.
func (p *pathHistory) porcupine() (porcupine.Model, []porcupine.Operation) {
	m := porcupine.Model{
		DescribeOperation:         func(input, _ any) string { return input.(*step).String() },
		DescribeOperationMetadata: func(m any) string { return m.(string) },
	}
	if _, ok := p.model.(registerModel); ok {
		m.Init = func() any { return state{} }
		m.Step = func(st, input, _ any) (bool, any) {
			next, ok := st.(state).apply(input.(*step))
			return ok, next
		}
		m.DescribeState = func(st any) string { return st.(state).String() }
		return m, operations(analyse(p).reduce())
	}
	s := newObjectSearch(p)
	m.Init, m.DescribeState = s.object.Init, s.object.Describe
	m.Step = func(st, input, _ any) (bool, any) {
		next, ok := s.object.Step(st, input.(*step).op)
		return ok, next
	}
	return m, operations(s.steps())
}

// operations puts steps into porcupine's form. Open ones end after everything else; Never itself would do, but looks
// odd in a picture.
func operations(steps []step) []porcupine.Operation {
	horizon := int64(0)
	for i := range steps {
		if horizon = max(horizon, steps[i].op.Invoke); steps[i].end != Never {
			horizon = max(horizon, steps[i].end)
		}
	}
	rows := rowsOf(steps)
	ops := make([]porcupine.Operation, len(steps))
	for i := range steps {
		s := &steps[i]
		end := s.end
		if end == Never {
			end = horizon + 1
		}
		ops[i] = porcupine.Operation{ClientId: rows[i], Input: s, Call: s.op.Invoke, Return: end, Metadata: s.details()}
	}
	return ops
}

// ErrNoPicture is returned by WriteHTML if there is no offending key.
var ErrNoPicture = errors.New("nothing to draw: no key is a violation or undecided")

// WriteHTML writes porcupine's page about the offending key to w: one file with everything in it. Failed operations,
// and unknown ones that cannot have mattered, are not in the picture.
func (res *Result) WriteHTML(w io.Writer) error {
	if res.Problem != "" {
		return fmt.Errorf("nothing to draw: the history is not valid: %s", res.Problem)
	}
	if res.picture == nil {
		return ErrNoPicture
	}
	m, _ := res.picture.porcupine()
	if err := porcupine.Visualize(m, res.Info(), w); err != nil {
		return fmt.Errorf("history picture: %w", err)
	}
	return nil
}

// rowsOf numbers the processes from 0 in order of appearance: a row of the picture each.
func rowsOf(steps []step) []int {
	rows := make([]int, len(steps))
	known := make(map[int]int)
	for i := range steps {
		p := steps[i].op.Process
		row, ok := known[p]
		if !ok {
			row = len(known)
			known[p] = row
		}
		rows[i] = row
	}
	return rows
}

// details is the text of a step under the pointer in the picture.
func (s *step) details() string {
	d := fmt.Sprintf("operation %d, process %d", s.index, s.op.Process)
	for _, f := range []struct{ name, value string }{
		{"node", s.op.Node}, {"level", s.op.Level}, {"version", s.op.Version}, {"error", s.op.Error},
	} {
		if f.value != "" {
			d += ", " + f.name + " " + f.value
		}
	}
	return d
}
