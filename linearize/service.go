package linearize

import (
	"slices"
	"time"
)

// NodeService is how a node served its clients during an interval.
type NodeService struct {
	Node              string
	OK, Fail, Unknown int // operations that began in the interval, by outcome. Open ones count as unknown.

	// Slowest is the longest duration of one of them, with any outcome; for one that never returned, until the client
	// gave up.
	Slowest time.Duration
	// Gap is the longest time without a success: between two answers, or between an answer and the beginning or end of
	// the interval. Answers count at the time of their arrival.
	Gap time.Duration
}

// Service returns for each node of the history how it served during [from, to), in nanoseconds on the history's clock.
func Service(h *History, from, to int64) []NodeService {
	out := make([]NodeService, len(h.Nodes))
	answers := make([][]int64, len(h.Nodes)) // the edges, and when successes came.
	number := make(map[string]int, len(h.Nodes))
	for i, name := range h.Nodes {
		out[i].Node, number[name] = name, i
		answers[i] = []int64{from, to}
	}
	for k := range h.Ops {
		o := &h.Ops[k]
		i, known := number[o.Node]
		if !known {
			continue
		}
		if o.Status == OK && o.Return >= from && o.Return < to {
			answers[i] = append(answers[i], o.Return)
		}
		if o.Invoke >= from && o.Invoke < to {
			out[i].add(o)
		}
	}
	for i := range out {
		slices.Sort(answers[i])
		for k := 1; k < len(answers[i]); k++ {
			out[i].Gap = max(out[i].Gap, time.Duration(answers[i][k]-answers[i][k-1]))
		}
	}
	return out
}

func (s *NodeService) add(o *Op) {
	ended := o.Return
	switch o.Status {
	case OK:
		s.OK++
	case Fail:
		s.Fail++
	default:
		s.Unknown++
		ended = max(o.GaveUp, o.Invoke)
	}
	s.Slowest = max(s.Slowest, time.Duration(ended-o.Invoke))
}
