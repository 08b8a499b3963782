package linearize

import (
	"fmt"
	"strings"
)

// Model is a kind of object: which operations it has, and what one object of the kind does when they come one after
// another. The paths of a history are independent objects of one model.
//
// The models of this package are CASRegister, Counter, List, Lock, Queue, Register and Set. A model of your own goes
// into Options.Model.
type Model interface {
	// Name is the word in history files and flags.
	Name() string
	// Shapes lists the operations with the fields that they use. All others must be zero.
	Shapes() []Shape
	// New returns an object for one path.
	New() Object
}

// Object is the behaviour of one path. It may keep tables, but the result of Step depends on its arguments only. It is
// for one goroutine.
type Object interface {
	// Init is the state in which every path begins. States are compared with ==, and equal ones must behave alike.
	Init() any
	// Step does o. If the status of o is OK, ok tells whether o could have been answered like that, with the changes
	// that its answer implies. If it is Info, the answer is not known: Step does what the object would do, and ok tells
	// whether o can happen at all. Other statuses never occur. Step uses the request and the answer, not the process,
	// times and node.
	Step(state any, o *Op) (after any, ok bool)
	// Describe prints a state for people.
	Describe(state any) string
}

// Shape is one operation of a model.
type Shape struct {
	Kind    Kind
	Asks    Fields // of Op, what a client sends.
	Answers Fields // of Op, the possible fields of an answer when the status is OK.
}

// Fields is a set of fields of Op.
type Fields uint16

// The fields that not every operation has.
const (
	FieldInput   Fields = 1 << iota // Input.
	FieldExpect                     // Expect and ExpectAbsent.
	FieldAmount                     // Amount.
	FieldApplied                    // Applied.
	FieldShown                      // Shown: only then Found, Output and Number are set.
	FieldFound                      // Found, without Output.
	FieldOutput                     // Found and Output.
	FieldList                       // List.
	FieldNumber                     // Number.
)

// tracing is implemented by models whose answers show values of requests, and no others. It finds the most frequent
// violations without a search and gives them a name.
type tracing interface {
	// brings returns the values that o puts into the object, if it happens.
	brings(o *Op) []string
	// shows returns the values that certainly were in the object when o, whose status is OK, happened.
	shows(o *Op) []string
}

// Models lists the models of this package by name.
func Models() []Model {
	return []Model{CASRegister, Counter, List, Lock, Queue, Register, Set}
}

// ModelByName finds one of Models. The empty name is Register's.
func ModelByName(name string) (Model, error) {
	if name == "" {
		return Register, nil
	}
	var names []string
	for _, m := range Models() {
		if m.Name() == name {
			return m, nil
		}
		names = append(names, m.Name())
	}
	return nil, fmt.Errorf("model %q is unknown: use one of %s", name, strings.Join(names, ", "))
}

// shapeOf finds the shape of a kind.
func shapeOf(m Model, k Kind) (Shape, error) {
	shapes := m.Shapes()
	for _, s := range shapes {
		if s.Kind == k {
			return s, nil
		}
	}
	var names []string
	for _, s := range shapes {
		names = append(names, s.Kind.String())
	}
	return Shape{}, fmt.Errorf("a %s has no operation %s: it has %s", m.Name(), k, strings.Join(names, ", "))
}
