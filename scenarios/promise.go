package scenarios

import (
	"fmt"
	"strings"
)

// Promise is one thing that has to hold in a run.
type Promise uint8

// The promises. A scenario is judged by those that it names, and by no other.
const (
	Converged        Promise = iota // at the end all nodes hold the same records.
	NoLostWrite                     // an acknowledged write is there at the end, or a version that wins over it.
	NoResurrection                  // what was deleted stays so, unless written again.
	HLCMonotone                     // no node issues a timestamp twice or goes back.
	MembershipAgreed                // at the end every node sees every node alive.
	Finished                        // every operation ends, and all of the above is reached in time.
	QuorumRecency                   // no quorum read goes back behind an answered quorum operation.
	TombstonesEnd                   // at the end no tombstone is left anywhere.
	Linearizable                    // the history of every key is linearizable.
	NotLinearizable                 // the checker finds a violation: proof that it can.
	FailuresDetected                // members that die and return are seen to, in time, while the network is in order.
	ClocksGuarded                   // a member whose clock has been wrong for a while acknowledges no write.

	promiseEnd // not a promise: how many there are.
)

var promiseNames = [promiseEnd]string{
	"converged", "no-lost-write", "no-resurrection", "hlc-monotone", "membership-agreed", "finished", "quorum-recency", "tombstones-end",
	"linearizable", "not-linearizable", "failures-detected", "clocks-guarded",
}

// String prints the word that scenario files use.
func (p Promise) String() string {
	if p < promiseEnd {
		return promiseNames[p]
	}
	return fmt.Sprintf("promise(%d)", uint8(p))
}

// ParsePromise reads what Promise.String prints.
func ParsePromise(s string) (Promise, error) {
	for p := Promise(0); p < promiseEnd; p++ {
		if promiseNames[p] == s {
			return p, nil
		}
	}
	return 0, fmt.Errorf("unknown promise %q: use some of %s", s, strings.Join(promiseNames[:], ", "))
}

// Expects reports whether s names p.
func (s *Scenario) Expects(p Promise) bool {
	for _, e := range s.Expect {
		if e == p {
			return true
		}
	}
	return false
}

func formatPromises(list []Promise) string {
	words := make([]string, len(list))
	for i, p := range list {
		words[i] = p.String()
	}
	return strings.Join(words, ", ")
}

// parsePromises reads a list with commas; the result is in the order of the constants.
func parsePromises(s string) ([]Promise, error) {
	var named [promiseEnd]bool
	for word := range strings.SplitSeq(s, ",") {
		p, err := ParsePromise(strings.TrimSpace(word))
		if err != nil {
			return nil, err
		}
		if named[p] {
			return nil, fmt.Errorf("%s is named twice: take one out", p)
		}
		named[p] = true
	}
	var out []Promise
	for p := Promise(0); p < promiseEnd; p++ {
		if named[p] {
			out = append(out, p)
		}
	}
	return out, nil
}
