package live

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"time"

	"kvs/linearize"
	"kvs/node/api"
	"kvs/scenarios"
	"kvs/sim/scenario"
)

// judged are the promises that clients can see kept or broken.
var judged = []scenario.Promise{
	scenarios.Converged, scenarios.NoLostWrite, scenarios.NoResurrection, scenarios.MembershipAgreed,
	scenarios.Finished,
	scenarios.QuorumRecency, scenarios.Linearizable, scenarios.NotLinearizable,
}

// judge waits for the members to agree and looks for missing writes.
func (r *runner) judge(ctx context.Context) error {
	s := &r.o.Scenario
	for _, p := range s.Expect {
		if !slices.Contains(judged, p) {
			r.result.Unjudged = append(r.result.Unjudged, p.String())
		}
	}
	for _, wrong := range r.values.refusedButSeen() {
		r.violateAs(promiseKnownValues, wrong)
	}
	r.o.Progress("waiting for the members to agree")
	begin := time.Now()
	var known error // a node that had ended by itself runs again.
	if r.o.Failures != nil {
		known = r.o.Failures()
	}
	if err := r.serve(ctx, begin.Add(s.Settle)); err != nil && ctx.Err() == nil {
		r.violate(scenarios.Finished, err.Error())
	}
	shown, err := r.await(ctx, s.Settle, known)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	r.result.Settled, r.result.SettledIn = err == nil, time.Since(begin)
	if err != nil {
		r.violate(scenarios.Converged, err.Error())
	} else {
		r.lostWrites(shown)
	}
	must, mustNot := s.Expects(scenarios.Linearizable), s.Expects(scenarios.NotLinearizable)
	if !must && !mustNot {
		return nil
	}
	r.o.Progress("judging the history")
	r.result.Linearized = linearize.Check(r.result.History, linearize.Options{Prefix: r.linearizablePrefix()})
	got := r.result.Linearized.Verdict
	if must && got != linearize.Linearizable {
		r.violate(scenarios.Linearizable, "the history is judged: "+r.result.Linearized.Summary())
	}
	if mustNot && got != linearize.Violation {
		r.violate(scenarios.NotLinearizable, "the history is judged: "+r.result.Linearized.Summary())
	}
	return nil
}

// linearizablePrefix is the prefix of the paths that are judged for linearizability.
func (r *runner) linearizablePrefix() string {
	if p := r.own.Workload.LinearizablePrefix(); p != "" {
		return r.o.Prefix + p
	}
	return ""
}

// promises are those of the history's header.
func (r *runner) promises() (out []linearize.Promise) {
	for _, p := range r.o.Scenario.Expect {
		promise := linearize.Promise{Name: p.String()}
		if p == scenarios.Linearizable || p == scenarios.NotLinearizable {
			promise.Path = r.linearizablePrefix()
		}
		out = append(out, promise)
	}
	return out
}

func (r *run) violate(p fmt.Stringer, detail string) { r.violateAs(p.String(), detail) }

func (r *run) violateAs(promise, detail string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.result.Violations = append(r.result.Violations, promise+": "+detail)
}

// lostWrites compares what all members show with the acknowledged writes.
func (r *runner) lostWrites(shown map[string]api.Entry) {
	var paths []string
	for p := range r.records {
		paths = append(paths, p)
	}
	sort.Strings(paths)
	for _, p := range paths {
		w := r.records[p]
		e, there := shown[p]
		switch {
		case w.top == "":
		case there && newer(w.top, e.Timestamp) && !w.topPut:
			r.violate(scenarios.NoResurrection, fmt.Sprintf("%s: deleted at %s, it shows %s", p, w.top, e.Timestamp))
		case there && newer(w.top, e.Timestamp):
			r.violate(scenarios.NoLostWrite, fmt.Sprintf("%s: acknowledged at %s, it shows %s", p, w.top, e.Timestamp))
		case there && w.top == e.Timestamp && !w.topPut && !w.putUnknown:
			r.violate(scenarios.NoResurrection,
				fmt.Sprintf("%s: deleted at %s, it is listed under that timestamp", p, w.top))
		case !there && !w.topDelete && !w.deleteUnknown && !w.topEnds && !w.endUnknown:
			r.violate(scenarios.NoLostWrite, fmt.Sprintf("%s: acknowledged at %s, it is absent", p, w.top))
		}
	}
}
