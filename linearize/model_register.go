package linearize

// Register is one path of kvs. It begins absent.
//
//	get                     ok: the value was OUTPUT (FOUND), or the path was absent (not FOUND).
//	put INPUT               ok: the value is INPUT, whatever was there.
//	delete                  ok: the path is absent, whatever was there.
//	cas INPUT if EXPECT     ok and APPLIED: the value was exactly EXPECT (or, with EXPECT_ABSENT, there was none) and
//	                        is INPUT now. ok, not APPLIED: it was not; if SHOWN, FOUND and OUTPUT are what was there.
//	cas_delete if EXPECT    likewise; if APPLIED, the path is absent now.
//	append INPUT            ok: INPUT was added to the end of the value; on an absent path it is a put.
//
// fail: the operation never happened, neither as a write nor as a read. info: a write may happen once, at any moment
// after its invoke, or never. A compare-and-set whose condition was false is ok: it was answered, and the answer
// depends on the register.
var Register Model = registerModel{"register", registerShapes}

// CASRegister is a register with get, put and cas only, as Register has them. It begins absent.
var CASRegister Model = registerModel{
	"cas-register", []Shape{registerShapes[Get], registerShapes[Put], registerShapes[CAS]},
}

var registerShapes = []Shape{
	Get:       {Kind: Get, Answers: FieldOutput},
	Put:       {Kind: Put, Asks: FieldInput},
	Delete:    {Kind: Delete},
	CAS:       {Kind: CAS, Asks: FieldInput | FieldExpect, Answers: FieldApplied | FieldShown | FieldOutput},
	CASDelete: {Kind: CASDelete, Asks: FieldExpect, Answers: FieldApplied | FieldShown | FieldOutput},
	Append:    {Kind: Append, Asks: FieldInput},
}

// registerModel is judged by analysis, which can do more than a search.
type registerModel struct {
	name   string
	shapes []Shape
}

func (m registerModel) Name() string    { return m.name }
func (m registerModel) Shapes() []Shape { return m.shapes }
func (registerModel) New() Object       { return registerObject{} }

type registerObject struct{}

func (registerObject) Init() any { return state{} }

func (registerObject) Step(st any, o *Op) (any, bool) {
	s := step{call: &call{op: o, status: o.Status, ret: o.Return}, end: o.Return}
	if o.Status == Info {
		s.outcome = maybe
	}
	return st.(state).apply(&s)
}

func (registerObject) Describe(st any) string { return st.(state).String() }
