package linearize

import (
	"errors"
	"fmt"
	"math"
	"strconv"
)

// Kind is what a client asked for.
type Kind uint8

// The kinds of operation. A path without a value is absent; a deleted path is absent again.
const (
	Get       Kind = iota // shows Output, or nothing (Found false).
	Put                   // writes Input, whatever was there.
	Delete                // makes the path absent, whatever was there, and tells nothing about it.
	CAS                   // writes Input if the path holds exactly Expect (or, with ExpectAbsent, nothing).
	CASDelete             // makes the path absent if it holds exactly Expect.
	Append                // adds Input to the end of the value; on an absent path it is a Put.
)

var kindNames = [...]string{"get", "put", "delete", "cas", "cas_delete", "append"}

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
	return 0, fmt.Errorf("unknown operation %q: use get, put, delete, cas, cas_delete or append", s)
}

func (k Kind) isWrite() bool       { return k != Get }
func (k Kind) isConditional() bool { return k == CAS || k == CASDelete }
func (k Kind) takesInput() bool    { return k == Put || k == CAS || k == Append }

// Status is what the client knows about the fate of its operation.
type Status uint8

// The statuses. A compare-and-set whose condition was false is OK, with Applied false: it was answered, and the answer says
// something about the register. Fail is for operations that did not happen at all, neither as a write nor as a look.
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

// Op is one operation of one client. The zero values of fields that do not concern its Kind and Status are required: a put
// has no Output, a failed get no Found.
//
// Times are nanoseconds on one clock that all clients share; its origin is of no account. The interval from Invoke to Return
// is closed: an operation that returns at 20 and one invoked at 20 overlap.
type Op struct {
	Process int    // the client, which has one operation at a time. See Recorder.
	Node    string // where the request was sent.
	Kind    Kind
	Path    string
	Level   string // the consistency level asked for: eventual, quorum, linearizable.

	Input        string // put, cas, append: the value to write. Unique per path, or judging is slow.
	Expect       string // cas, cas_delete: exactly the value that must be there.
	ExpectAbsent bool   // cas: the path must be absent; Expect is empty.

	Applied bool   // cas, cas_delete, OK: the condition held and the write happened.
	Shown   bool   // cas, cas_delete, OK, not Applied: Found and Output are what stood in the way.
	Found   bool   // get, or Shown: there was a value.
	Output  string // get, or Shown: the value, if Found.
	Version string // OK: the ETag in the answer, if any. For people; it takes no part in the verdict.

	Invoke int64
	Return int64 // Never while Open and for Info.
	GaveUp int64 // Info: when the client stopped waiting; 0 if that is not known. For people.
	Status Status
	Error  string // Fail, Info: what the client was told.
}

// refused reports whether o is an answered compare-and-set whose condition was false.
func (o *Op) refused() bool { return o.Kind.isConditional() && o.Status == OK && !o.Applied }

// validate says what makes o impossible, if anything. It holds for every operation that a Recorder makes, that Write takes
// and that Read returns.
func (o *Op) validate() error {
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
	looked := o.Status == OK && o.Kind == Get || o.Shown
	for _, rule := range []struct {
		broken bool
		text   string
	}{
		{o.Input != "" && !o.Kind.takesInput(), "has an input"},
		{(o.Expect != "" || o.ExpectAbsent) && !o.Kind.isConditional(), "has an expectation"},
		{o.Expect != "" && o.ExpectAbsent, "expects both a value and none"},
		{o.ExpectAbsent && o.Kind == CASDelete, "expects to delete what is absent"},
		{o.Applied && (!o.Kind.isConditional() || o.Status != OK), "is marked applied"},
		{o.Shown && !o.refused(), "is marked as showing what refused it"},
		{o.Found && !looked, "found something"},
		{o.Output != "" && !o.Found, "has an output without having found anything"},
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

// String prints o on one line for people: what was asked and what came back.
func (o *Op) String() string {
	s := o.Kind.String() + " " + strconv.Quote(o.Path)
	if o.Kind.takesInput() {
		s += " " + strconv.Quote(o.Input)
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
	case o.Kind == Get:
		return showContent(o.Found, o.Output)
	case o.Shown:
		return "refused, it holds " + showContent(o.Found, o.Output)
	case o.refused():
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
	if len(value) > valueBytesShownMax {
		return fmt.Sprintf("%q... (%d bytes)", value[:valueBytesShownMax], len(value))
	}
	return strconv.Quote(value)
}
