package explore

import (
	"cmp"
	"fmt"
	"slices"

	"kvs/linearize"
	"kvs/sim"
)

// The history gives chained operations intervals one after the other, and all others the interval from the beginning to
// the end. This is all the real-time order that a schedule implies, in each of its equivalent orders.
const (
	beginAt    = 1
	chainGap   = 10
	closingAt  = 1_000_000
	closingGap = 10
	allOverAt  = closingAt + closingGap*closingMax
)

// broken is the first promise that did not hold; empty: all held.
func (w *world) broken() string {
	if v := w.World().Violations(); len(v) > 0 {
		return v[0].String()
	}
	return ""
}

// judge runs the system's closing operations, with all messages delivered, and returns what is wrong with the result;
// empty: nothing.
func (w *world) judge() string {
	var events []event
	chain := int64(0)
	for k := range w.calls {
		c := &w.calls[k]
		if !c.sent {
			continue
		}
		invoke, end := int64(beginAt), int64(closingAt-1)
		if w.scope.Ops[k].After || k+1 < len(w.scope.Ops) && w.scope.Ops[k+1].After {
			invoke = beginAt + chain*chainGap
			end = invoke + chainGap/2
			chain++
		}
		if !c.over {
			end = allOverAt // it may be answered while the closing operations run.
		}
		events = append(events, c.events(invoke, end)...)
	}
	w.meeting = true // background messages are delivered again, and fsyncs end at once.
	for k := 1; k <= w.scope.Nodes; k++ {
		w.sync(k)
	}
	for i, client := range w.guide.Closing() {
		at := int64(closingAt + i*closingGap)
		c := w.ask(client, 2*opsMax+i)
		if status := c.status(); status != "" && w.scope.Rots && w.scope.Crashes <= w.scope.Nodes/2 {
			return "an operation at the end is not answered: " + status
		}
		events = append(events, c.events(at, at+closingGap/2)...)
	}
	w.Judge()
	return cmp.Or(w.broken(), w.judgeHistory(events))
}

// event is the beginning or the end of an operation.
type event struct {
	at   int64
	ends bool
	call *call
}

// events are those of an operation that is in the history.
func (c *call) events(invoke, end int64) []event {
	if c.op.History == nil {
		return nil
	}
	return []event{{at: invoke, call: c}, {at: end, ends: true, call: c}}
}

func (w *world) judgeHistory(events []event) string {
	if len(events) == 0 {
		return ""
	}
	header := linearize.Header{World: "explore", Scenario: w.scope.Name}
	for i := 1; i <= w.scope.Nodes; i++ {
		header.Nodes = append(header.Nodes, sim.NodeName(i))
	}
	if m, ok := w.space.System.(sim.Modeled); ok {
		header.Model = m.Model().Name()
	}
	res := linearize.Check(record(header, events), linearize.Options{})
	if res.Verdict == linearize.Linearizable {
		return ""
	}
	if res.Offending < 0 {
		return res.Problem
	}
	return fmt.Sprintf("%s: %s", res.Verdict, res.Keys[res.Offending].Evidence.Text)
}

// record makes a history of the events.
func record(header linearize.Header, events []event) *linearize.History {
	slices.SortStableFunc(events, func(a, b event) int { return cmp.Compare(a.at, b.at) })
	recorder := linearize.NewRecorder(header)
	handles := map[*call]linearize.Handle{}
	for _, e := range events {
		c := e.call
		switch {
		case !e.ends:
			handles[c] = recorder.Invoke(e.at, recorder.NewProcess(), c.history)
		case !c.over || c.answer.Status == linearize.Info:
			recorder.Info(handles[c], e.at, c.status())
		case c.answer.Status == linearize.Fail:
			recorder.Fail(handles[c], e.at, c.answer.Err)
		default:
			recorder.OK(handles[c], e.at, c.answer.History)
		}
	}
	return recorder.Finish(allOverAt)
}
