package foreign

import (
	"fmt"
	"slices"

	"kvs/linearize"
)

// jepsen turns events of a test with Jepsen into operations.
//
//	register, cas-register  :read, :write, :cas [from to]. nil is no value, the initial state.
//	set                     :add, :remove, :read of all elements.
//	queue                   :enqueue, :dequeue, :drain, which counts as a dequeue for each element that it returns.
//	                        First in, first out.
//	list                    :append, :read of all elements, or Elle's :txn of one operation, [:append k v] or
//	                        [:r k nil].
//
// Values are spelled as in EDN. Keys of jepsen.independent, values such as [key value], become paths.
type jepsen struct {
	*events
	refused FailedCAS
	model   linearize.Model
	keyed   bool // values are [key value].
}

// event is one line of a history.
type event struct {
	process, status, f string
	value              form
	line               int
}

// onePath is the path of everything in a test without keys.
const onePath = "r"

// readJepsen reads a history.edn: maps, one after another or in a vector.
func readJepsen(b []byte, refused FailedCAS) (*linearize.History, error) {
	forms, err := parseEDN(b)
	if err != nil {
		return nil, err
	}
	if len(forms) == 1 && forms[0].kind == ednVector {
		forms = forms[0].list
	}
	var list []event
	for _, f := range forms {
		ev := event{
			process: f.get("process").String(), status: f.get("type").text, f: f.get("f").text, value: f.get("value"),
			line: f.line,
		}
		switch {
		case f.kind != ednMap || ev.status == "" || f.get("process").kind == ednNil:
			return nil, fmt.Errorf("line %d: %.60q is no operation: it has no :process and :type", f.line, f.String())
		case f.get("process").kind == ednKeyword:
			continue // the nemesis is no client.
		}
		list = append(list, ev)
	}
	j := jepsen{events: newEvents("jepsen"), refused: refused}
	if j.model, err = modelOf(list); err != nil {
		return nil, err
	}
	j.h.Model, j.keyed = j.model.Name(), keyed(list)
	for i := range list {
		if err := j.add(&list[i]); err != nil {
			return nil, fmt.Errorf("line %d: %w", list[i].line, err)
		}
	}
	j.sort()
	return &j.h, nil
}

// modelOf finds the model of the paths from the operations.
func modelOf(list []event) (linearize.Model, error) {
	has := func(names ...string) bool {
		return slices.ContainsFunc(list, func(e event) bool { return slices.Contains(names, e.f) })
	}
	nils := slices.ContainsFunc(list, func(e event) bool {
		return e.f == "write" && e.value.kind == ednNil ||
			e.f == "cas" && len(e.value.list) == 2 && e.value.list[1].kind == ednNil
	})
	switch {
	case has("enqueue", "dequeue", "drain"):
		return linearize.Queue, nil
	case has("append", "txn"):
		return linearize.List, nil
	case has("add", "remove"):
		return linearize.Set, nil
	case has("write", "cas", "read") && nils:
		return linearize.Register, nil // a write of nil deletes.
	case has("write", "cas", "read"), len(list) == 0:
		return linearize.CASRegister, nil
	}
	return nil, fmt.Errorf("line %d: unknown operation %q: a register has :read, :write and :cas, a set :add, "+
		":remove and :read, a queue :enqueue, :dequeue and :drain, a list :append and :read, or :txn", list[0].line,
		list[0].f)
}

// keyed reports whether values are [key value]: then an operation without a value has [key nil].
func keyed(list []event) bool {
	asked := func(e event) bool {
		return e.status == "invoke" && (e.f == "read" || e.f == "dequeue" || e.f == "drain")
	}
	isKey := func(e event) bool {
		return e.value.kind == ednVector && len(e.value.list) == 2 && e.value.list[1].kind == ednNil
	}
	plain := func(e event) bool { return asked(e) && !isKey(e) }
	return slices.ContainsFunc(list, asked) && !slices.ContainsFunc(list, plain)
}

// add takes one event.
func (j *jepsen) add(e *event) error {
	defer func() { j.now++ }()
	path, value := onePath, e.value
	if e.f == "txn" {
		return j.transaction(e)
	}
	if j.keyed && value.kind != ednNil {
		if value.kind != ednVector || len(value.list) != 2 {
			return fmt.Errorf("%.60q is no key and value, as others are", value.String())
		}
		path, value = j.key(value.list[0]), value.list[1]
	}
	return j.take(e, e.f, path, value)
}

// key is a key as a path.
func (j *jepsen) key(f form) string {
	if f.kind == ednString {
		return pathOf(f.text)
	}
	return f.String()
}

// transaction takes an event of Elle's list-append, if it is about one operation.
func (j *jepsen) transaction(e *event) error {
	if e.value.kind == ednNil && e.status != "invoke" && e.status != "ok" {
		return j.take(e, "read", "", e.value)
	}
	if len(e.value.list) != 1 || len(e.value.list[0].list) != 3 {
		return fmt.Errorf("%.60q: only transactions of one operation, such as [[:append k v]], can be judged "+
			"for each key",
			e.value.String())
	}
	op := e.value.list[0].list
	switch op[0].text {
	case "r":
		return j.take(e, "read", j.key(op[1]), op[2])
	case "append":
		return j.take(e, "append", j.key(op[1]), op[2])
	}
	return fmt.Errorf("unknown operation :%s in a transaction: use :r or :append", op[0].text)
}

// take takes an event on a path.
func (j *jepsen) take(e *event, f, path string, value form) error {
	switch e.status {
	case "invoke":
		op, err := j.asked(f, value)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(j.model.Shapes(), func(s linearize.Shape) bool { return s.Kind == op.Kind }) {
			return fmt.Errorf("a %s has no operation :%s, and the history is one of a %s", j.model.Name(), f,
				j.model.Name())
		}
		op.Path = path
		return j.begin(e.process, op)
	case "ok":
		op, err := j.end(e.process, linearize.OK)
		if err != nil {
			return err
		}
		return j.answered(op, f, value)
	case "fail":
		op, err := j.end(e.process, linearize.Fail)
		if err == nil && op.Kind == linearize.CAS && j.refused == ConditionFalse && value.kind == ednVector {
			op.Status = linearize.OK // not applied.
		}
		return err
	case "info":
		if f == "drain" {
			return fmt.Errorf("a drain of unknown outcome may have taken any number of elements: that cannot be judged")
		}
		_, err := j.end(e.process, linearize.Info)
		return err
	}
	return fmt.Errorf("unknown type :%s: use :invoke, :ok, :fail or :info", e.status)
}

// asked is the operation that a client begins.
func (j *jepsen) asked(f string, value form) (op linearize.Op, err error) {
	switch {
	case f == "read":
		op.Kind = linearize.Get
	case f == "write" && value.kind == ednNil:
		op.Kind = linearize.Delete
	case f == "write":
		op.Kind, op.Input = linearize.Put, value.String()
	case f == "cas" && len(value.list) == 2:
		return compareAndSet(value.list[0], value.list[1])
	case f == "add":
		op.Kind, op.Input = linearize.Add, value.String()
	case f == "remove":
		op.Kind, op.Input = linearize.Remove, value.String()
	case f == "enqueue":
		op.Kind, op.Input = linearize.Enqueue, value.String()
	case f == "dequeue", f == "drain":
		op.Kind = linearize.Dequeue
	case f == "append":
		op.Kind, op.Input = linearize.Append, value.String()
	default:
		return op, fmt.Errorf("unknown operation :%s of %.60q, as part of a %s", f, value.String(), j.model.Name())
	}
	return op, nil
}

func compareAndSet(from, to form) (op linearize.Op, err error) {
	op.Kind, op.Input = linearize.CAS, to.String()
	if op.ExpectAbsent = from.kind == ednNil; !op.ExpectAbsent {
		op.Expect = from.String()
	}
	if to.kind == ednNil {
		op.Kind, op.Input = linearize.CASDelete, ""
	}
	if op.ExpectAbsent && op.Kind == linearize.CASDelete {
		return op, fmt.Errorf("a :cas from nil to nil changes nothing: it cannot be judged")
	}
	return op, nil
}

// answered completes an operation that has happened.
func (j *jepsen) answered(op *linearize.Op, f string, value form) error {
	switch {
	case op.Kind == linearize.CAS, op.Kind == linearize.CASDelete:
		op.Applied = true
	case f == "drain":
		return j.drained(op, value)
	case op.Kind == linearize.Dequeue, op.Kind == linearize.Get &&
		(j.model.Name() != "set" && j.model.Name() != "list"):
		if op.Found = value.kind != ednNil; op.Found {
			op.Output = value.String()
		}
	case op.Kind == linearize.Get && value.kind == ednNil:
	case op.Kind == linearize.Get && (value.kind == ednVector || value.kind == ednSet):
		op.List = texts(value.list)
		if len(op.List) == 0 {
			op.List = nil
		}
	case op.Kind == linearize.Get:
		return fmt.Errorf("%.60q is no list of all elements", value.String())
	}
	return nil
}

// drained turns a drain into a dequeue for each element, all within its interval.
func (j *jepsen) drained(op *linearize.Op, value form) error {
	if value.kind != ednVector && value.kind != ednNil {
		return fmt.Errorf("%.60q is no list of what was drained", value.String())
	}
	first := *op
	for i, e := range value.list {
		one := first
		one.Found, one.Output = true, e.String()
		if i == 0 {
			*op = one
			continue
		}
		one.Process = j.fresh(fmt.Sprintf("drain, %d of %d", i, j.now))
		j.h.Ops = append(j.h.Ops, one)
	}
	return nil
}
