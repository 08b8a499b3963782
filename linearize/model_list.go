package linearize

// List is an append-only list that begins empty.
//
//	append INPUT  ok: INPUT is the last element now.
//	get           ok: LIST has all elements, the oldest first.
//
// fail: the operation never happened. info: an append may happen once, at any moment after its invoke, or never.
//
// It is not the append of Register, which adds bytes to one value.
var List Model = listModel{}

type listModel struct{}

func (listModel) Name() string { return "list" }

func (listModel) Shapes() []Shape { return listShapes }

var listShapes = []Shape{
	{Kind: Append, Asks: FieldInput},
	{Kind: Get, Answers: FieldList},
}

func (listModel) New() Object {
	return &listObject{known: make(map[link]*link), shown: make(map[*Op]*link)}
}

func (listModel) brings(o *Op) []string {
	if o.Kind == Append {
		return []string{o.Input}
	}
	return nil
}

func (listModel) shows(o *Op) []string { return o.List }

// listObject makes every list that occurs once: equal lists are the same pointer, and a step costs the same however
// long the list is.
type listObject struct {
	known   map[link]*link
	shown   map[*Op]*link // by get.
	longest []string      // that a get returned: every list up to its length is a prefix of it.
}

// link is the last element of a list, and the list before it. nil is the empty list.
type link struct {
	front   *link
	element string
	length  int
}

// prepare records the order of the elements, which the search would find late.
func (l *listObject) prepare(sures, _ []*Op) {
	for _, o := range sures {
		if len(o.List) > len(l.longest) {
			l.longest = o.List
		}
	}
}

func (l *listObject) Init() any { return (*link)(nil) }

func (l *listObject) Step(state any, o *Op) (any, bool) {
	list := state.(*link)
	switch {
	case o.Kind == Append:
		after := l.with(list, o.Input)
		return after, after.length > len(l.longest) || l.longest[after.length-1] == o.Input
	case o.Status == Info:
		return list, true
	}
	shown, known := l.shown[o]
	if !known {
		for _, e := range o.List {
			shown = l.with(shown, e)
		}
		l.shown[o] = shown
	}
	return list, list == shown
}

func (l *listObject) with(front *link, element string) *link {
	k := link{front, element, 1}
	if front != nil {
		k.length += front.length
	}
	if known := l.known[k]; known != nil {
		return known
	}
	l.known[k] = &k
	return &k
}

func (*listObject) weigh(any) int { return 96 }

func (l *listObject) Describe(state any) string {
	var list []string
	for k := state.(*link); k != nil; k = k.front {
		list = append(list, k.element)
	}
	for i, j := 0, len(list)-1; i < j; i, j = i+1, j-1 {
		list[i], list[j] = list[j], list[i]
	}
	return showList(list)
}
