package linearize

import (
	"math/bits"
	"slices"
)

// Set holds each element at most once and begins empty.
//
//	add INPUT       ok: INPUT is in the set now, whether it was before or not.
//	remove INPUT    ok: INPUT is not in the set now, whether it was before or not.
//	contains INPUT  ok: FOUND tells whether INPUT is in the set.
//	get             ok: LIST has all elements, each once, in any order.
//
// fail: the operation never happened. info: an add or a remove may happen once, at any moment after its invoke, or
// never.
var Set Model = setModel{}

type setModel struct{}

func (setModel) Name() string { return "set" }

func (setModel) Shapes() []Shape { return setShapes }

var setShapes = []Shape{
	{Kind: Add, Asks: FieldInput},
	{Kind: Remove, Asks: FieldInput},
	{Kind: Contains, Asks: FieldInput, Answers: FieldFound},
	{Kind: Get, Answers: FieldList},
}

func (setModel) New() Object {
	return &setObject{numbers: make(map[string]uint32), trees: make(map[tree]*tree), shown: make(map[*Op]shownSet)}
}

func (setModel) brings(o *Op) []string {
	if o.Kind == Add {
		return []string{o.Input}
	}
	return nil
}

func (setModel) shows(o *Op) []string {
	if o.Kind == Contains && o.Found {
		return []string{o.Input}
	}
	return o.List
}

// setObject numbers the elements. A state is a treap over the numbers, of which every subtree exists once and in one
// shape only: equal sets are the same pointer, and a step makes as many new nodes as the treap is deep, however large
// the set is.
type setObject struct {
	numbers map[string]uint32
	names   []string
	trees   map[tree]*tree
	shown   map[*Op]shownSet // by get.
}

// tree is a set that is not empty: numbers below the root's are on the left. The root has the highest priority.
type tree struct {
	number      uint32
	left, right *tree
}

// shownSet is the result of a get.
type shownSet struct {
	set   *tree
	valid bool // no element is there twice.
}

// priority makes the shape of a treap: a fixed function of the number, so that a set has one shape.
func priority(number uint32) uint64 { return mix(uint64(number) + 1) }

func (s *setObject) Init() any { return (*tree)(nil) }

func (s *setObject) Step(state any, o *Op) (any, bool) {
	t := state.(*tree)
	switch {
	case o.Kind == Add:
		return s.with(t, s.number(o.Input)), true
	case o.Kind == Remove:
		return s.without(t, s.number(o.Input)), true
	case o.Status == Info:
		return t, true
	case o.Kind == Contains:
		return t, t.has(s.number(o.Input)) == o.Found
	}
	shown, known := s.shown[o]
	if !known {
		shown.valid = true
		for _, e := range o.List {
			before := shown.set
			shown.set = s.with(before, s.number(e))
			shown.valid = shown.valid && shown.set != before
		}
		s.shown[o] = shown
	}
	return t, shown.valid && t == shown.set
}

func (s *setObject) number(element string) uint32 {
	n, known := s.numbers[element]
	if !known {
		n = uint32(len(s.names))
		s.numbers[element] = n
		s.names = append(s.names, element)
	}
	return n
}

// tree returns the one tree with a root and two halves.
func (s *setObject) tree(number uint32, left, right *tree) *tree {
	t := tree{number, left, right}
	if known := s.trees[t]; known != nil {
		return known
	}
	s.trees[t] = &t
	return &t
}

func (s *setObject) with(t *tree, n uint32) *tree {
	switch {
	case t == nil:
		return s.tree(n, nil, nil)
	case t.number == n:
		return t
	case priority(n) > priority(t.number):
		left, right := s.split(t, n)
		return s.tree(n, left, right)
	case n < t.number:
		return s.tree(t.number, s.with(t.left, n), t.right)
	}
	return s.tree(t.number, t.left, s.with(t.right, n))
}

// split returns what is below n and what is above it. n is not in t.
func (s *setObject) split(t *tree, n uint32) (below, above *tree) {
	switch {
	case t == nil:
		return nil, nil
	case n < t.number:
		below, above = s.split(t.left, n)
		return below, s.tree(t.number, above, t.right)
	}
	below, above = s.split(t.right, n)
	return s.tree(t.number, t.left, below), above
}

func (s *setObject) without(t *tree, n uint32) *tree {
	switch {
	case t == nil:
		return nil
	case n < t.number:
		return s.tree(t.number, s.without(t.left, n), t.right)
	case n > t.number:
		return s.tree(t.number, t.left, s.without(t.right, n))
	}
	return s.join(t.left, t.right)
}

// join is both sets; all of l is below all of r.
func (s *setObject) join(l, r *tree) *tree {
	switch {
	case l == nil:
		return r
	case r == nil:
		return l
	case priority(l.number) > priority(r.number):
		return s.tree(l.number, l.left, s.join(l.right, r))
	}
	return s.tree(r.number, s.join(l, r.left), r.right)
}

func (t *tree) has(n uint32) bool {
	for t != nil && t.number != n {
		if n < t.number {
			t = t.left
		} else {
			t = t.right
		}
	}
	return t != nil
}

// weigh is about how much memory a step adds: some nodes on the path to one element.
func (s *setObject) weigh(any) int { return 80 * bits.Len(uint(len(s.names))) }

func (s *setObject) Describe(state any) string {
	var list []string
	for i, name := range s.names {
		if state.(*tree).has(uint32(i)) {
			list = append(list, name)
		}
	}
	slices.Sort(list)
	return showList(list)
}
