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

// Info is porcupine's account of the offending key, up to the operation that gives it away: partial orders as far as they
// go. It is empty if the history is linearizable. It is computed anew by every call, because it is not cheap.
func (res *Result) Info() porcupine.LinearizationInfo {
	if res.picture == nil {
		return porcupine.LinearizationInfo{}
	}
	a := analyse(res.picture)
	steps := a.reduce()
	ops := operations(steps)
	for i := range ops {
		ops[i].Metadata = ops[i].Input.(*step).details()
	}
	_, info := porcupine.CheckOperationsVerbose(model, ops, pictureTimeout)
	return info
}

// ErrNoPicture is returned by WriteHTML if there is no offending key.
var ErrNoPicture = errors.New("nothing to draw: no key is a violation or undecided")

// WriteHTML writes porcupine's page about the offending key to w: one file with everything in it. Failed operations, and
// unknown ones that cannot have mattered, are not in the picture.
func (res *Result) WriteHTML(w io.Writer) error {
	if res.Problem != "" {
		return fmt.Errorf("nothing to draw: the history is not valid: %s", res.Problem)
	}
	if res.picture == nil {
		return ErrNoPicture
	}
	if err := porcupine.Visualize(model, res.Info(), w); err != nil {
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

// details is what the picture tells about a step when pointed at.
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
