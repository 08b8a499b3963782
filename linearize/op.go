package linearize

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Kind is the kind of an operation.
type Kind uint8

// The kinds of operation. A Model defines which of them its objects have, and what they do.
const (
	// Of registers. A path without a value is absent; a deleted path is absent again.
	Get       Kind = iota // shows Output, or nothing (Found false). Of sets and lists: List; of counters: Number.
	Put                   // writes Input, whatever was there.
	Delete                // makes the path absent, whatever was there, and shows nothing.
	CAS                   // writes Input if the path holds exactly Expect (or, with ExpectAbsent, nothing).
	CASDelete             // makes the path absent if it holds exactly Expect.
	// adds Input to the end of the value; on an absent path it is a Put. Of lists: a last element.
	Append

	Add      // of a set: Input is in it.
	Remove   // of a set: Input is not in it any more.
	Contains // of a set: Found tells whether Input is in it.

	Enqueue // of a queue: Input is its new last element.
	Dequeue // of a queue: takes the first element and shows it as Output, or nothing (Found false).

	Acquire // of a lock: Applied tells whether it was free and is held now, under the token Number.
	Release // of a lock: Applied tells whether it was held under the token Amount; it is free now.
	Use     // of the resource that a lock protects: Applied tells whether the token Amount was accepted.

	Increment // of a counter: adds Amount; if Shown, Number is the sum.
)

var kindNames = [...]string{
	"get", "put", "delete", "cas", "cas_delete", "append", "add", "remove", "contains", "enqueue", "dequeue",
	"acquire", "release", "use", "increment",
}

// String prints the word used in history files.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// ParseKind reads what Kind.String prints.
func ParseKind(s string) (Kind, error) {
	for i, name := range kindNames {
		if name == s {
			return Kind(i), nil
		}
	}
	return 0, fmt.Errorf("unknown operation %q: use one of %s", s, strings.Join(kindNames[:], ", "))
}

func (k Kind) isWrite() bool       { return k != Get && k != Contains }
func (k Kind) isConditional() bool { return k == CAS || k == CASDelete }
func (k Kind) takesInput() bool    { return k == Put || k == CAS || k == Append }

// Status is the outcome of an operation for its client.
type Status uint8

// The statuses. A compare-and-set whose condition was false is OK, with Applied false: it was answered, and the answer
// depends on the register. Fail is for operations that did not happen at all, neither as a write nor as a read.
const (
	Open Status = iota // no answer yet.
	OK                 // it happened, between Invoke and Return.
	Fail               // it certainly did not happen and never will.
	Info               // unknown: it may have happened, may happen yet, or never.
)

var statusNames = [...]string{"open", "ok", "fail", "info"}

// String prints the word used in history files.
func (s Status) String() string {
	if int(s) < len(statusNames) {
		return statusNames[s]
	}
	return fmt.Sprintf("status(%d)", uint8(s))
}

// ParseStatus reads what Status.String prints.
func ParseStatus(s string) (Status, error) {
	for i, name := range statusNames {
		if name == s {
			return Status(i), nil
		}
	}
	return 0, fmt.Errorf("unknown status %q: use open, ok, fail or info", s)
}

// Never is the Return of an operation that has not returned.
const Never = math.MaxInt64

// Op is one operation of one client. The zero values of fields that do not concern its Kind and Status are required:
// a put has no Output, a failed get no Found.
//
// Times are nanoseconds on one clock that all clients share; its origin does not matter. The interval from Invoke to
// Return is closed: an operation that returns at 20 and one invoked at 20 overlap.
type Op struct {
	Process int    // the client, which has one operation at a time. See Recorder.
	Node    string // where the request was sent.
	Kind    Kind
	Path    string
	Level   string // the consistency level asked for: eventual, quorum, linearizable.

	// put, cas, append and others: the value to write. Values that are written once are judged fast.
	Input        string
	Expect       string // cas, cas_delete: exactly the value that must be there.
	ExpectAbsent bool   // cas: the path must be absent; Expect is empty.
	Amount       int64  // increment: what to add; release, use: the token.

	Applied bool     // cas, cas_delete, OK: the condition held and the write happened. Of a lock: it was granted.
	Shown   bool     // cas, cas_delete, OK, not Applied: Found and Output stood in the way. increment: see Number.
	Found   bool     // get, or Shown: there was a value.
	Output  string   // get, or Shown: the value, if Found.
	List    []string // get of a set, in any order, or of a list: the elements. Empty is nil.
	Number  int64    // get of a counter, increment that is Shown: the sum; acquire that is Applied: the token.
	Version string   // OK: the ETag in the answer, if any. It is not used for the verdict: see Tags.

	Invoke int64
	Return int64 // Never while Open and for Info.
	GaveUp int64 // Info: when the client stopped waiting; 0 if that is not known. For people.
	Status Status
	Error  string // Fail, Info: the error that the client got.
}

// refused reports whether o is an answered compare-and-set whose condition was false.
func (o *Op) refused() bool { return o.Kind.isConditional() && o.Status == OK && !o.Applied }

// validate returns what makes o impossible as an operation of the model, if anything. It holds for every operation that
// a Recorder makes, that Write takes and that Read returns.
func (o *Op) validate(m Model) error {
	if int(o.Kind) >= len(kindNames) || int(o.Status) >= len(statusNames) {
		return fmt.Errorf("impossible operation: %s, %s", o.Kind, o.Status)
	}
	if o.Path == "" {
		return errors.New("the path is missing")
	}
	if o.Process < 0 {
		return fmt.Errorf("process %d: must not be negative", o.Process)
	}
	if err := o.validateTimes(); err != nil {
		return err
	}
	shape, err := shapeOf(m, o.Kind)
	if err != nil {
		return err
	}
	answered := func(f Fields) bool { return o.Status == OK && shape.Answers&f != 0 }
	looked := answered(FieldOutput) && (shape.Answers&FieldShown == 0 || o.Shown)
	for _, rule := range []struct {
		broken bool
		text   string
	}{
		{o.Input != "" && shape.Asks&FieldInput == 0, "has an input"},
		{(o.Expect != "" || o.ExpectAbsent) && shape.Asks&FieldExpect == 0, "has an expectation"},
		{o.Amount != 0 && shape.Asks&FieldAmount == 0, "has an amount"},
		{o.Expect != "" && o.ExpectAbsent, "expects both a value and none"},
		{o.ExpectAbsent && o.Kind == CASDelete, "expects to delete what is absent"},
		{o.Applied && !answered(FieldApplied), "is marked applied"},
		{o.Shown && (!answered(FieldShown) || o.Applied), "is marked as showing something"},
		{o.Found && !looked && !answered(FieldFound), "found something"},
		{o.Output != "" && (!o.Found || !looked), "has an output without having found anything"},
		{o.List != nil && (!answered(FieldList) || len(o.List) == 0), "has a list"},
		{o.Number != 0 && !(answered(FieldNumber) && (shape.Answers&FieldShown == 0 || o.Shown)), "has a number"},
		{o.Version != "" && o.Status != OK, "has a version without an answer"},
		{o.Error != "" && o.Status != Fail && o.Status != Info, "has an error"},
	} {
		if rule.broken {
			return fmt.Errorf("a %s with status %s %s", o.Kind, o.Status, rule.text)
		}
	}
	return nil
}

func (o *Op) validateTimes() error {
	switch returned := o.Status == OK || o.Status == Fail; {
	case o.Invoke < 0 || o.Invoke == Never:
		return fmt.Errorf("invoked at %d: not a time", o.Invoke)
	case returned && (o.Return < o.Invoke || o.Return == Never):
		return fmt.Errorf("status %s, invoked at %d, returned at %d: not an interval", o.Status, o.Invoke, o.Return)
	case !returned && o.Return != Never:
		return fmt.Errorf("status %s has no return, but it says %d", o.Status, o.Return)
	case o.GaveUp != 0 && (o.Status != Info || o.GaveUp < o.Invoke):
		return fmt.Errorf("status %s, invoked at %d, given up at %d", o.Status, o.Invoke, o.GaveUp)
	}
	return nil
}

// String prints o on one line for people: the request and the answer.
func (o *Op) String() string {
	s := o.Kind.String() + " " + strconv.Quote(o.Path)
	switch {
	case o.Kind.takesInput(), o.Kind == Add, o.Kind == Remove, o.Kind == Contains, o.Kind == Enqueue:
		s += " " + quoted(o.Input)
	case o.Kind == Release, o.Kind == Use, o.Kind == Increment:
		s += fmt.Sprint(" ", o.Amount)
	}
	if o.Kind.isConditional() {
		s += " if " + showContent(!o.ExpectAbsent, o.Expect)
	}
	return s + " -> " + o.answer()
}

func (o *Op) answer() string {
	switch {
	case o.Status == Info:
		return "unknown"
	case o.Status != OK:
		return o.Status.String()
	case o.Kind == Get && o.List != nil:
		return showList(o.List)
	case o.Kind == Get && o.Number != 0, o.Kind == Increment && o.Shown, o.Kind == Acquire && o.Applied:
		return strconv.FormatInt(o.Number, 10)
	case o.Kind == Contains:
		return strconv.FormatBool(o.Found)
	case o.Kind == Get, o.Kind == Dequeue:
		return showContent(o.Found, o.Output)
	case o.Shown:
		return "refused, it holds " + showContent(o.Found, o.Output)
	case o.refused(), !o.Applied && (o.Kind == Acquire || o.Kind == Release || o.Kind == Use):
		return "refused"
	}
	return "ok"
}

// valueBytesShownMax bounds the part of a value that is printed for people.
const valueBytesShownMax = 40

func showContent(found bool, value string) string {
	if !found {
		return "absent"
	}
	return quoted(value)
}

func quoted(value string) string {
	if len(value) > valueBytesShownMax {
		return fmt.Sprintf("%q... (%d bytes)", value[:valueBytesShownMax], len(value))
	}
	return strconv.Quote(value)
}

// elementsShownMax bounds the elements of a list that are printed for people.
const elementsShownMax = 12

func showList(list []string) string {
	s := make([]string, 0, elementsShownMax+1)
	for i, e := range list {
		if i == elementsShownMax {
			s = append(s, fmt.Sprintf("... (%d elements)", len(list)))
			break
		}
		s = append(s, quoted(e))
	}
	return "[" + strings.Join(s, " ") + "]"
}
