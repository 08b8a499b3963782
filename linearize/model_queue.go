package linearize

import (
	"encoding/binary"
	"maps"
	"slices"
)

// Queue is first in, first out, without a bound. It begins empty.
//
//	enqueue INPUT  ok: INPUT is the last element.
//	dequeue        ok: OUTPUT was the first element and is taken out (FOUND), or the queue was empty (not FOUND).
//
// fail: the operation never happened. info: it may happen once, at any moment after its invoke, or never; a dequeue
// without an answer may have taken an element that is not seen again.
var Queue Model = queueModel{}

type queueModel struct{}

func (queueModel) Name() string { return "queue" }

func (queueModel) Shapes() []Shape { return queueShapes }

var queueShapes = []Shape{
	{Kind: Enqueue, Asks: FieldInput},
	{Kind: Dequeue, Answers: FieldOutput},
}

func (queueModel) New() Object { return &queueObject{} }

func (queueModel) brings(o *Op) []string {
	if o.Kind == Enqueue {
		return []string{o.Input}
	}
	return nil
}

func (queueModel) shows(o *Op) []string {
	if o.Kind == Dequeue && o.Found {
		return []string{o.Output}
	}
	return nil
}

// queueObject has the elements one after another as its state, each behind its length.
type queueObject struct {
	// by value that only one operation can have enqueued and that was seen: the operation that took it.
	took    map[string]*Op
	taken   map[string]bool
	unknown int // dequeues that may have taken an unseen element.
}

// prepare records which operation takes which element, which the search would find late.
func (q *queueObject) prepare(sures, opens []*Op) {
	brought := make(map[string]int)
	q.took, q.taken = make(map[string]*Op), make(map[string]bool)
	for _, o := range slices.Concat(sures, opens) {
		switch {
		case o.Kind == Enqueue:
			brought[o.Input]++
		case o.Status == Info:
			q.unknown++
		case o.Found:
			q.took[o.Output], q.taken[o.Output] = o, true
		}
	}
	maps.DeleteFunc(q.took, func(value string, _ *Op) bool { return brought[value] > 1 })
}

// hopeless reports whether an element cannot be enqueued behind those in the queue, because it is taken before they
// are: the operation that took it ended before an operation began that took one of those, or more of those remain than
// unknown dequeues can take.
func (q *queueObject) hopeless(s, element string) bool {
	mine := q.took[element]
	if mine == nil {
		return false
	}
	stay := 0
	for s != "" {
		var e string
		e, s = firstElement(s)
		if other := q.took[e]; other != nil && mine.Return < other.Invoke {
			return true
		}
		if !q.taken[e] {
			stay++
		}
	}
	return stay > q.unknown
}

// rank implements guide: what is taken out first goes in first.
func (q *queueObject) rank(o *Op, end int64) int64 {
	if o.Kind == Dequeue {
		return end
	}
	if taker := q.took[o.Input]; taker != nil {
		return taker.Return
	}
	return Never
}

// urgent implements guide: no known operation takes the first element.
func (q *queueObject) urgent(state any) bool {
	s := state.(string)
	if s == "" || q.unknown == 0 {
		return false
	}
	first, _ := firstElement(s)
	return !q.taken[first]
}

func (*queueObject) Init() any { return "" }

func (q *queueObject) Step(state any, o *Op) (any, bool) {
	s := state.(string)
	if o.Kind == Enqueue {
		return string(append(binary.AppendUvarint([]byte(s), uint64(len(o.Input))), o.Input...)),
			!q.hopeless(s, o.Input)
	}
	switch {
	case s == "":
		return s, o.Status == Info || !o.Found
	case o.Status == Info:
		_, rest := firstElement(s)
		return rest, true
	}
	first, rest := firstElement(s)
	return rest, o.Found && first == o.Output
}

// firstElement splits a state that is not empty.
func firstElement(s string) (first, rest string) {
	n, width := binary.Uvarint([]byte(s[:min(len(s), binary.MaxVarintLen64)]))
	end := width + int(n)
	return s[width:end], s[end:]
}

func (*queueObject) looks(o *Op) bool { return o.Kind == Dequeue && !o.Found }

func (*queueObject) weigh(state any) int { return len(state.(string)) }

func (*queueObject) Describe(state any) string {
	var list []string
	for s := state.(string); s != ""; {
		var e string
		e, s = firstElement(s)
		list = append(list, e)
	}
	return showList(list)
}
