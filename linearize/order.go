package linearize

import (
	"cmp"
	"math/bits"
	"slices"
)

// task is one operation in the search for an order. order.apply does it.
type task struct {
	invoke, end int64 // end is Never for an open task.

	look  bool  // it never changes the state.
	eager bool  // doing it as soon as possible is never worse than doing it later, although it changes the state.
	alike int32 // of an open task: the one before it with the same request; or none.
	sees  int32 // the content that the task certainly sees; or none.
	makes int32 // the content that the task makes, if it changes anything; or none.

	// ready is, of a task that makes its content whatever was there, when all that see this content can go: their
	// latest invoke, and its own. It is Never if others can make the content, too, or if not all that see it are
	// looks.
	ready int64
}

const none = -1

// order looks for an order of tasks that an object explains. S is the object's state, compared with ==.
//
// The algorithm is that of Wing and Gong, "Testing and verifying concurrent objects" (JPDC 17, 1993), with the memory
// of configurations of Lowe, "Testing for linearizability" (CCPE 29, 2017), which porcupine uses, too. A
// configuration is the set of tasks that are done, and the state. Six things are different here:
//
//   - A set is kept as the first task that is not done and the window behind it, not as one bit for each task of the
//     history: 100,000 operations one after another need a few megabytes, not 1.4 GB.
//   - A look that is possible now is done now, without a choice. In any order that explains the rest it can be moved
//     to this place: everything between sees what it saw before.
//   - A configuration is given up if another one with the same done tasks and the same state has used fewer open
//     tasks: an open task that is still there may be ignored. Of open tasks that are alike only the one that was
//     invoked first is tried.
//   - Behind an open task, a task that would have gone the same way without the open one, to the same state, is not
//     tried: the order without the open task is at least as good.
//   - A content that no task can make again is not replaced while a task still has to see it.
//   - When no task has to see the present content, a task that makes another content, and all tasks that see that one,
//     go now, without a choice, if all of them can go: they follow each other in any order, and no task that was before
//     them there depends on them. That takes tasks of which none depends on a content without task.sees telling so
//     (order.plain).
//
// None of them loses an order: from a configuration that can be completed, the completion with the fewest steps leads
// to one that is looked at and needs fewer steps, or to one that is looked at instead and needs no more.
//
// Work is counted in steps and comparisons, not in time, so a verdict does not depend on the machine.
type order[S comparable] struct {
	tasks []task                       // those that must happen, in order of invoke.
	open  []task                       // those that need not, in order of invoke.
	apply func(S, int, bool) (S, bool) // does task i, of open or of tasks; false: it could not have gone like that.
	held  func(S) int32                // the content in a state, as in task.sees; nil: nothing is known of contents.
	plain bool                         // no task, open or not, depends on a content that it does not see.
	// of each task: those with a lower one are tried first; nil: in order of invoke.
	rank   []int64
	urgent func(S) bool // in a state in which open tasks are tried first; nil: they never are.
	weigh  func(S) int  // bytes that a state points to; nil: none.
	limit  limits
	stop   func() bool // asked at intervals whether to give up; nil: never.

	done, used  []uint64 // of tasks; of open.
	first, last int      // the first task that is not done; the end of those that are.
	left        []int32  // by content: tasks not done that have to see it.
	makers      []int32  // by content: tasks not done, and open ones not used, that make it.
	list        []int32  // see candidates.
	trail       []int32  // what was done, in order; ^i for open task i.
	frames      []frame[S]
	memory      memory[S]
	work        int64
}

// limits bound a search.
type limits struct {
	work   int64 // steps and comparisons.
	memory int64 // bytes.
}

// frame is a configuration on the way from the beginning to where the search is, and what is to be tried next there.
type frame[S comparable] struct {
	state  S
	only   int   // the one task to try; or none: all.
	base   S     // the state before the open task that led here.
	behind bool  // an open task led here.
	until  int64 // see order.until.
	cursor int   // the next to try, of order.candidates,
	opens  bool  // or of the open ones.
	second bool  // the others have been tried.
	trail  int   // the length of order.trail here.
}

// ending is how a search ended.
type ending uint8

const (
	explained ending = iota
	noOrder
	outOfWork
	outOfMemory
	stopped
)

// pollEvery is how many units of work pass between two questions whether to stop.
const pollEvery = 1 << 14

// find searches from a state on.
func (o *order[S]) find(state S) ending {
	o.done, o.used = make([]uint64, len(o.tasks)/64+1), make([]uint64, (len(o.open)+63)/64)
	o.memory = newMemory[S]()
	for _, tasks := range [][]task{o.tasks, o.open} {
		for i := range tasks {
			o.count(tasks[i], 1)
		}
	}
	o.enter(state, state, false)
	for poll := int64(0); ; {
		if o.first == len(o.tasks) {
			return explained
		}
		switch {
		case o.work > o.limit.work:
			return outOfWork
		case o.memory.bytes > o.limit.memory:
			return outOfMemory
		case o.stop != nil && o.work >= poll:
			if o.stop() {
				return stopped
			}
			poll = o.work + pollEvery
		}
		f := &o.frames[len(o.frames)-1]
		if o.advance(f) {
			continue
		}
		o.frames = o.frames[:len(o.frames)-1]
		if len(o.frames) == 0 {
			return noOrder
		}
		o.undo(o.frames[len(o.frames)-1].trail)
	}
}

// enter pushes the configuration that the trail has led to, after doing tasks that need no choice. It reports whether
// the configuration is new.
func (o *order[S]) enter(state, base S, behind bool) bool {
	state, changed := o.settle(state)
	if o.first < len(o.tasks) && !o.memory.add(o, state) {
		return false
	}
	f := frame[S]{
		state: state, base: base, behind: behind && !changed, until: o.until(), trail: len(o.trail),
	}
	f.only = o.complete(&f)
	f.opens = o.urgent != nil && o.urgent(state)
	o.frames = append(o.frames, f)
	return true
}

// complete returns a task that can go now together with all that see its content, while no task has to see the present
// content; or none.
func (o *order[S]) complete(f *frame[S]) int {
	if !o.plain {
		return none
	}
	if c := o.held(f.state); c != none && o.left[c] > 0 {
		return none
	}
	for i := o.first; i < len(o.tasks) && o.tasks[i].invoke <= f.until; i = o.next(i + 1) {
		if o.tasks[i].ready <= f.until {
			return i
		}
	}
	return none
}

// until returns the last moment at which a task may be invoked and still go next: the earliest end of those that are
// not done.
func (o *order[S]) until() int64 {
	until := int64(Never)
	for i := o.next(o.first); i < len(o.tasks) && o.tasks[i].invoke <= until; i = o.next(i + 1) {
		until = min(until, o.tasks[i].end)
	}
	return until
}

// next returns the first task from i on that is not done.
func (o *order[S]) next(i int) int {
	for w := i / 64; w < len(o.done); w++ {
		free := ^o.done[w]
		if w == i/64 {
			free &= ^uint64(0) << (i % 64)
		}
		if free != 0 {
			return min(w*64+bits.TrailingZeros64(free), len(o.tasks))
		}
	}
	return len(o.tasks)
}

// settle does every look that is possible now, and every eager task.
func (o *order[S]) settle(state S) (_ S, changed bool) {
	for from := o.first; ; {
		until, progress := o.until(), false
		i := o.next(from)
		for ; i < len(o.tasks) && o.tasks[i].invoke <= until; i = o.next(i + 1) {
			if !o.tasks[i].look && !o.tasks[i].eager {
				continue
			}
			o.work++
			after, ok := o.apply(state, i, false)
			if !ok || o.tasks[i].look && after != state {
				continue // a look changes the state if that is more than what it shows: see state.have.
			}
			o.do(int32(i))
			progress, changed = true, true
			if after != state {
				state, i = after, o.first-1 // others may be possible now.
			}
		}
		if !progress {
			return state, changed
		}
		from = i // those in front were refused in this state already.
	}
}

// advance takes the next step from f that leads to a new configuration, and reports whether there is one.
func (o *order[S]) advance(f *frame[S]) bool {
	for {
		switch {
		case f.opens && o.tryOpen(f), !f.opens && o.tryTasks(f):
			return true
		case f.second || f.only != none:
			return false
		}
		f.opens, f.second, f.cursor = !f.opens, true, 0
	}
}

// tryTasks takes the next task that must happen.
func (o *order[S]) tryTasks(f *frame[S]) bool {
	list := o.candidates(f)
	for f.cursor < len(list) {
		i := int(list[f.cursor])
		f.cursor++
		o.work++
		after, ok := o.apply(f.state, i, false)
		if !ok || o.keeps(f.state, after, o.tasks[i].sees) {
			continue
		}
		if f.behind {
			o.work++
			if same, ok := o.apply(f.base, i, false); ok && same == after {
				continue
			}
		}
		if o.step(int32(i), f.state, after) {
			return true
		}
	}
	return false
}

// candidates lists the tasks that may go next at f, those that promise most first. The list is valid until the next
// call.
func (o *order[S]) candidates(f *frame[S]) []int32 {
	o.list = o.list[:0]
	if f.only != none {
		o.list = append(o.list, int32(f.only))
		return o.list
	}
	for i := o.first; i < len(o.tasks) && o.tasks[i].invoke <= f.until; i = o.next(i + 1) {
		o.list = append(o.list, int32(i))
	}
	if o.rank != nil {
		slices.SortStableFunc(o.list, func(i, j int32) int { return cmp.Compare(o.rank[i], o.rank[j]) })
	}
	return o.list
}

// tryOpen takes the next open task.
func (o *order[S]) tryOpen(f *frame[S]) bool {
	for f.cursor < len(o.open) && o.open[f.cursor].invoke <= f.until {
		i := f.cursor
		f.cursor++
		if alike := o.open[i].alike; o.isUsed(i) || alike != none && !o.isUsed(int(alike)) {
			continue
		}
		o.work++
		after, ok := o.apply(f.state, i, true)
		if !ok || after == f.state || o.keeps(f.state, after, none) {
			continue
		}
		if o.step(int32(^i), f.state, after) {
			return true
		}
	}
	return false
}

// step does a task and enters the configuration after it. If that is not new, everything is as before.
func (o *order[S]) step(t int32, before, after S) bool {
	mark := len(o.trail)
	o.do(t)
	if o.enter(after, before, t < 0) {
		return true
	}
	o.undo(mark)
	return false
}

// isUsed reports whether open task i is done.
func (o *order[S]) isUsed(i int) bool { return o.used[i/64]&(1<<(i%64)) != 0 }

// keeps reports whether the content in state has to stay, although a task that sees it would replace it.
func (o *order[S]) keeps(state, after S, sees int32) bool {
	if o.held == nil || state == after {
		return false
	}
	c := o.held(state)
	if c == none || o.makers[c] > 0 || o.held(after) == c {
		return false
	}
	left := o.left[c]
	if sees == c {
		left--
	}
	return left > 0
}

// count records that a task is to be done (1), or is done (-1).
func (o *order[S]) count(t task, n int32) {
	for int(max(t.sees, t.makes)) >= len(o.left) {
		o.left, o.makers = append(o.left, 0), append(o.makers, 0)
	}
	if t.sees != none {
		o.left[t.sees] += n
	}
	if t.makes != none {
		o.makers[t.makes] += n
	}
}

// do marks a task as done; ^i is open task i.
func (o *order[S]) do(t int32) {
	o.trail = append(o.trail, t)
	if t < 0 {
		o.used[^t/64] |= 1 << (^t % 64)
		o.count(o.open[^t], -1)
		return
	}
	i := int(t)
	o.done[i/64] |= 1 << (i % 64)
	o.count(o.tasks[i], -1)
	o.last = max(o.last, i+1)
	if i == o.first {
		o.first = o.next(i)
	}
}

// undo takes back what was done since the trail had the length.
func (o *order[S]) undo(length int) {
	for len(o.trail) > length {
		t := o.trail[len(o.trail)-1]
		o.trail = o.trail[:len(o.trail)-1]
		if t < 0 {
			o.used[^t/64] &^= 1 << (^t % 64)
			o.count(o.open[^t], 1)
			continue
		}
		i := int(t)
		o.done[i/64] &^= 1 << (i % 64)
		o.count(o.tasks[i], 1)
		o.first = min(o.first, i)
	}
}
