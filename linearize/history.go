package linearize

import "fmt"

// Format is the version of the history file that this package writes. It also reads version 1.
const Format = 2

// Header says where a history comes from.
type Header struct {
	Format   int       // set by Write; that of the file after Read; zero elsewhere.
	Model    string    // the model of each path: the name of a Model; empty means register.
	World    string    // sim, process, docker, urls.
	Seed     uint64    // of the run, if it had one.
	Scenario string    // its name.
	Commit   string    // of the code under test.
	Plan     string    // the fault plan as text, which parses again.
	Promises []Promise // the promises of the run; nil: not given.
	Nodes    []string  // the names that operations use.
	Started  string    // RFC 3339, from the real worlds; empty from the simulator.
}

// History is all operations of the clients of one run. Ops are in order of Invoke.
type History struct {
	Header
	Ops []Op
}

// Validate returns the first error in h that no Recorder would make. The operations are numbered from 0; in a history
// file operation n is on line n+2.
func (h *History) Validate() error {
	m, err := h.model()
	if err != nil {
		return err
	}
	return h.validate(m)
}

// model finds the model that the header names.
func (h *Header) model() (Model, error) { return ModelByName(h.Model) }

func (h *History) validate(m Model) error {
	v := validator{model: m}
	for i := range h.Ops {
		if err := v.add(&h.Ops[i]); err != nil {
			return fmt.Errorf("operation %d: %w", i, err)
		}
	}
	return nil
}

// validator checks operations one after another, in the order of the history.
type validator struct {
	model  Model
	count  int
	last   int64       // Invoke of the operation before.
	lastOf map[int]*Op // each process's operation before.
}

func (v *validator) add(o *Op) error {
	if err := o.validate(v.model); err != nil {
		return err
	}
	if v.count > 0 && o.Invoke < v.last {
		return fmt.Errorf("invoked at %d, before the operation above it (%d): operations go in order of invoke",
			o.Invoke, v.last)
	}
	if v.lastOf == nil {
		v.lastOf = make(map[int]*Op)
	}
	if before := v.lastOf[o.Process]; before != nil {
		switch {
		case before.Status == Open, before.Status == Info && before.Kind.isWrite():
			return fmt.Errorf("process %d goes on after an operation that is still open: an unknown write retires "+
				"the process",
				o.Process)
		case before.Status != Info && o.Invoke < before.Return, before.Status == Info && o.Invoke < before.GaveUp:
			return fmt.Errorf("process %d has two operations at once", o.Process)
		}
	}
	v.count, v.last, v.lastOf[o.Process] = v.count+1, o.Invoke, o
	return nil
}
