package linearize

import (
	"fmt"
	"slices"
)

// Handle names an operation that a Recorder has begun.
type Handle int

// Answer is the answer of an operation that happened. See Op for the fields.
type Answer struct {
	Applied bool
	Shown   bool
	Found   bool
	Output  string
	List    []string // owned by the recorder from then on.
	Number  int64
	Version string
}

// Recorder turns what clients do into a History.
//
// A client is a process: it has one operation at a time. When the outcome of a write stays unknown, the operation stays
// open for ever, so the client cannot go on under the same id: Info hands out a fresh one. Wrong use panics, because a
// wrongly recorded history proves nothing.
//
// A Recorder is not safe for concurrent use (Shared is) and reads no clock: times are arguments and must not go back.
type Recorder struct {
	history   History
	model     Model
	processes []Handle // by process: its open operation, or idle, or retired.
	now       int64
	finished  bool
}

// What a process does when it has no operation open.
const (
	idle    Handle = -1
	retired Handle = -2
)

// NewRecorder returns an empty recorder. A header that names an unknown model panics.
func NewRecorder(h Header) *Recorder {
	m, err := h.model()
	if err != nil {
		panic("linearize: " + err.Error())
	}
	return &Recorder{history: History{Header: h}, model: m}
}

// Grow makes room for n operations more at once.
func (r *Recorder) Grow(n int) { r.history.Ops = slices.Grow(r.history.Ops, n) }

// NewProcess returns the id of a new client.
func (r *Recorder) NewProcess() int {
	r.processes = append(r.processes, idle)
	return len(r.processes) - 1
}

// Invoke records that process begins op. Its Node, Kind, Path, Level, Input, Expect, ExpectAbsent and Amount are used;
// the other fields must be zero. It must be called before the request can have any effect.
func (r *Recorder) Invoke(now int64, process int, op Op) Handle {
	r.tick(now)
	if process < 0 || process >= len(r.processes) {
		panic(fmt.Sprintf("linearize: process %d was never handed out by NewProcess", process))
	}
	if at := r.processes[process]; at != idle {
		panic(fmt.Sprintf("linearize: process %d invokes %s while it is busy or retired (%d)", process, op.String(),
			at))
	}
	if op.Process != 0 || op.Invoke != 0 || op.Return != 0 || op.Status != Open {
		panic(fmt.Sprintf("linearize: %s: the recorder sets process, times and status", op.String()))
	}
	op.Process, op.Invoke, op.Return = process, now, Never
	h := Handle(len(r.history.Ops))
	if len(r.history.Ops) == cap(r.history.Ops) {
		// twice the room: append would give a quarter more and copy more often.
		r.history.Ops = slices.Grow(r.history.Ops, max(64, len(r.history.Ops)))
	}
	r.history.Ops = append(r.history.Ops, op)
	r.processes[process] = h
	r.mustBeValid(h)
	return h
}

// OK records that the operation happened, and its answer. It must be called after the answer has arrived.
func (r *Recorder) OK(h Handle, now int64, a Answer) {
	op := r.end(h, now)
	op.Status, op.Return = OK, now
	op.Applied, op.Shown, op.Found, op.Output, op.Version = a.Applied, a.Shown, a.Found, a.Output, a.Version
	op.Number = a.Number
	if len(a.List) > 0 {
		op.List = a.List
	}
	r.mustBeValid(h)
}

// Fail records that the operation certainly did not happen and never will. For a write that needs proof: a refused
// connection before the request was sent, or an answer with the outcome not_applied. Otherwise it is Info.
func (r *Recorder) Fail(h Handle, now int64, err string) {
	op := r.end(h, now)
	op.Status, op.Return, op.Error = Fail, now, err
	r.mustBeValid(h)
}

// Info records that the outcome is unknown. It returns the process under which the client has to go on: a fresh one
// after a write, the same after a get. A late answer is ignored: the handle is used up.
func (r *Recorder) Info(h Handle, now int64, err string) (process int) {
	op := r.end(h, now)
	op.Status, op.GaveUp, op.Error = Info, now, err
	r.mustBeValid(h)
	if !op.Kind.isWrite() {
		return op.Process
	}
	r.processes[op.Process] = retired
	return r.NewProcess()
}

// Finish turns operations that are still open into Info and returns the history, which passes into the caller's
// ownership. The recorder is used up.
func (r *Recorder) Finish(now int64) *History {
	r.tick(now)
	for i := range r.history.Ops {
		if op := &r.history.Ops[i]; op.Status == Open {
			op.Status, op.GaveUp, op.Error = Info, now, "still open at the end of the recording"
		}
	}
	r.finished = true
	return &r.history
}

// Len is the number of operations begun so far.
func (r *Recorder) Len() int { return len(r.history.Ops) }

func (r *Recorder) end(h Handle, now int64) *Op {
	r.tick(now)
	if h < 0 || int(h) >= len(r.history.Ops) {
		panic(fmt.Sprintf("linearize: handle %d was never handed out by Invoke", h))
	}
	op := &r.history.Ops[h]
	if op.Status != Open {
		panic(fmt.Sprintf("linearize: operation %d (%s) has ended before", h, op.String()))
	}
	r.processes[op.Process] = idle
	return op
}

func (r *Recorder) tick(now int64) {
	if r.finished {
		panic("linearize: the recorder is finished")
	}
	if now < r.now || now == Never {
		panic(fmt.Sprintf("linearize: time went back from %d to %d", r.now, now))
	}
	r.now = now
}

func (r *Recorder) mustBeValid(h Handle) {
	if err := r.history.Ops[h].validate(r.model); err != nil {
		panic(fmt.Sprintf("linearize: operation %d: %v", h, err))
	}
}
