package foreign

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"

	"kvs/linearize"
)

// Format is a format of another tool.
type Format string

// The formats.
const (
	// history.edn of a test with Jepsen: register, cas-register, set, queue, list-append.
	Jepsen    Format = "jepsen"
	Porcupine Format = "porcupine" // the logs among porcupine's tests: of etcd's register, and of a store with append.
)

// FailedCAS is the meaning of a failed compare-and-set. Published histories differ.
type FailedCAS string

// The meanings.
const (
	// it was answered: the value was different. This is the meaning in porcupine's logs.
	ConditionFalse FailedCAS = "condition-false"
	// it proves nothing about the value. Jepsen defines fail like that; many tests know more.
	NotHappened FailedCAS = "not-happened"
)

// Options say how to read.
type Options struct {
	Format    Format
	FailedCAS FailedCAS // empty: what the format means.
}

// fileBytesMax bounds a file, which is read as a whole.
const fileBytesMax = 1 << 30

// Read reads a history. It has been validated. Errors name the line.
func Read(r io.Reader, o Options) (*linearize.History, error) {
	b, err := io.ReadAll(io.LimitReader(r, fileBytesMax+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("history of %s: %w", o.Format, err)
	case len(b) > fileBytesMax:
		return nil, fmt.Errorf("history of %s: longer than %d bytes: split it by key", o.Format, fileBytesMax)
	}
	refused := o.FailedCAS
	if refused != "" && refused != ConditionFalse && refused != NotHappened {
		return nil, fmt.Errorf("a failed compare-and-set means %s or %s, not %q", ConditionFalse, NotHappened, refused)
	}
	var h *linearize.History
	switch o.Format {
	case Jepsen:
		h, err = readJepsen(b, cmp.Or(refused, NotHappened))
	case Porcupine:
		h, err = readPorcupine(b, cmp.Or(refused, ConditionFalse))
	default:
		return nil, fmt.Errorf("the format %q is unknown: use %s or %s", o.Format, Jepsen, Porcupine)
	}
	if err == nil {
		err = h.Validate()
	}
	if err != nil {
		return nil, fmt.Errorf("history of %s: %w", o.Format, err)
	}
	return h, nil
}

// events puts the events of a file into a history: each process has one operation at a time.
type events struct {
	h       linearize.History
	open    map[string]int // by process, as the file spells it: its open operation in h.Ops.
	numbers map[string]int // by process: its number in the history.
	now     int64
}

func newEvents(world string) *events {
	return &events{
		h:    linearize.History{Header: linearize.Header{World: world}},
		open: make(map[string]int), numbers: make(map[string]int),
	}
}

// errBusy and errIdle are what a process cannot do.
var (
	errBusy = errors.New("begins an operation before its last one has ended")
	errIdle = errors.New("ends an operation that it has not begun")
)

// begin records that process begins op.
func (e *events) begin(process string, op linearize.Op) error {
	if _, busy := e.open[process]; busy {
		return fmt.Errorf("process %s %w", process, errBusy)
	}
	n, known := e.numbers[process]
	if !known {
		n = e.fresh(process)
	}
	op.Process, op.Invoke, op.Return, op.Status = n, e.now, linearize.Never, linearize.Info
	e.open[process] = len(e.h.Ops)
	e.h.Ops = append(e.h.Ops, op)
	return nil
}

// fresh gives process a new number.
func (e *events) fresh(process string) int {
	n := len(e.numbers)
	e.numbers[process] = n
	return n
}

// end records the end of the operation of process, and returns it.
func (e *events) end(process string, status linearize.Status) (*linearize.Op, error) {
	i, ok := e.open[process]
	if !ok {
		return nil, fmt.Errorf("process %s %w", process, errIdle)
	}
	delete(e.open, process)
	op := &e.h.Ops[i]
	if op.Status = status; status != linearize.Info {
		op.Return = e.now
		return op, nil
	}
	op.GaveUp = e.now
	// The next operation under this name is of another process: an operation without an answer may happen at any time.
	e.numbers[fmt.Sprintf("%s, until %d", process, e.now)] = e.numbers[process]
	delete(e.numbers, process)
	return op, nil
}

// sort puts the operations in order of invoke, after some were added elsewhere.
func (e *events) sort() {
	slices.SortStableFunc(e.h.Ops, func(a, b linearize.Op) int { return cmp.Compare(a.Invoke, b.Invoke) })
}
