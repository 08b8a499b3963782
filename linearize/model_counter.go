package linearize

import "strconv"

// Counter is a whole number of 64 bits that begins with 0 and wraps around.
//
//	increment AMOUNT  ok: AMOUNT, which may be negative, was added. If SHOWN, the sum right afterwards was NUMBER.
//	get               ok: the sum was NUMBER.
//
// fail: the operation never happened. info: an increment may happen once, at any moment after its invoke, or never.
var Counter Model = counterModel{}

type counterModel struct{}

func (counterModel) Name() string { return "counter" }

func (counterModel) Shapes() []Shape { return counterShapes }

var counterShapes = []Shape{
	{Kind: Increment, Asks: FieldAmount, Answers: FieldShown | FieldNumber},
	{Kind: Get, Answers: FieldNumber},
}

func (counterModel) New() Object { return counterObject{} }

type counterObject struct{}

func (counterObject) Init() any { return int64(0) }

func (counterObject) Step(state any, o *Op) (any, bool) {
	sum := state.(int64)
	if o.Kind == Get {
		return state, o.Status == Info || o.Number == sum
	}
	sum += o.Amount
	return sum, !o.Shown || o.Number == sum
}

func (counterObject) Describe(state any) string { return strconv.FormatInt(state.(int64), 10) }
