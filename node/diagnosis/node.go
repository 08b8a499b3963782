package diagnosis

import (
	"fmt"
	"strings"
	"time"

	"kvs/node/api"
)

// Node adds what a node says of itself. Clocks may differ by maxClockOffset.
func (f *Findings) Node(st *api.Status, maxClockOffset time.Duration) {
	n := len(f.List)
	if st.Retired != "" {
		f.Add(Problem, "membership", "docs/how-to/replace-a-node.md", "%s", st.Retired)
	}
	if st.Clash != "" {
		f.Add(Problem, "membership", "stop one of the two, and give it a data folder of its own", "%s", st.Clash)
	}
	if st.Mode != "normal" || !st.Ready {
		s := Warning
		if !st.Ready || st.Mode == "failed" {
			s = Problem
		}
		ready := ""
		if !st.Ready {
			ready = ", not ready"
		}
		f.Add(s, "mode", "docs/reference/modes.md says what each reason means", "%s%s: %s", st.Mode, ready,
			strings.Join(st.Reasons, ", "))
	}
	for _, w := range st.Warnings {
		f.Add(Warning, "node", "", "%s", w)
	}
	f.clock(st, maxClockOffset)
	for i := range st.Peers {
		if p := &st.Peers[i]; p.Dropped > 0 || p.HintsFull > 0 {
			f.Add(Warning, "replication", "comparisons bring it over; look again in some minutes",
				"%d messages for %s were dropped since the start", p.Dropped+p.HintsFull, nameOf(st, p.ID))
		}
	}
	f.WellUnless(n, "state")
}

// clock compares the node's clock with those of its peers.
func (f *Findings) clock(st *api.Status, maxClockOffset time.Duration) {
	for i := range st.Peers {
		p := &st.Peers[i]
		if p.ClockOffsetMillis == nil {
			continue
		}
		off := time.Duration(max(*p.ClockOffsetMillis, -*p.ClockOffsetMillis)) * time.Millisecond
		if p.ClockErrorMillis != nil {
			off -= time.Duration(*p.ClockErrorMillis) * time.Millisecond
		}
		s := Warning
		switch {
		case off > maxClockOffset:
			s = Problem
		case off <= maxClockOffset/5:
			continue
		}
		f.Add(s, "clock", "repair NTP on the machine whose clock is wrong",
			"it differs from that of %s by %s; with more than %s (max_clock_offset) against most members a node takes "+
				"no writes", nameOf(st, p.ID), off, maxClockOffset)
	}
}

// nameOf is the name of a member, or its ID.
func nameOf(st *api.Status, id string) string {
	for i := range st.Members {
		if st.Members[i].ID == id && st.Members[i].Name != "" {
			return st.Members[i].Name
		}
	}
	return fmt.Sprintf("member %s", id)
}
