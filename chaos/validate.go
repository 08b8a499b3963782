package chaos

import (
	"fmt"
	"time"
)

// Validate checks that p is possible in a cluster of nodes: it names only existing nodes, its times are in order, and
// every fault is possible in the state of its node, for instance no node is restarted that is up. At first all nodes
// are up.
func Validate(p Plan, nodes int) error {
	if nodes < 1 || nodes > NodesMax {
		return fmt.Errorf("a cluster of %d nodes: plans are for 1 to %d", nodes, NodesMax)
	}
	c := condition{nodes: nodes}
	last := time.Duration(0)
	for _, e := range p.Events {
		if e.At < last || e.At > DurationMax {
			return fmt.Errorf("`%s`: its time is before the event above it, before 0s or beyond %s", e,
				FormatDuration(DurationMax))
		}
		last = e.At
		if err := e.Check(); err != nil {
			return fmt.Errorf("`%s`: %w", e, err)
		}
		if err := c.apply(e.Fault); err != nil {
			return fmt.Errorf("`%s`: %w", e, err)
		}
	}
	return nil
}

// condition is the state of every node while Validate walks through a plan.
type condition struct {
	nodes                int
	down, paused, frozen [NodesMax + 1]bool
	copied, older        [NodesMax + 1]bool // there is a copy of its disk; it is older than its last start.
}

func (c *condition) apply(f Fault) error {
	for _, list := range append([][]int{f.Nodes, f.From, f.To}, f.Groups...) {
		for _, n := range list {
			if n > c.nodes {
				return fmt.Errorf("there is no n%d: the cluster has %d nodes", n, c.nodes)
			}
		}
	}
	if f.Kind == Recover {
		*c = condition{nodes: c.nodes}
		return nil
	}
	if f.Kind == HealClocks && len(f.Nodes) == 0 {
		clear(c.frozen[:])
		return nil
	}
	for _, n := range f.Nodes {
		if err := c.applyNode(f.Kind, n); err != nil {
			return err
		}
	}
	return nil
}

func (c *condition) applyNode(k Kind, n int) error {
	refuse := func(state, cure string) error { return fmt.Errorf("n%d is %s then: %s", n, state, cure) }
	switch k {
	case Crash:
		if c.down[n] {
			return refuse("down already", "restart it before")
		}
		c.down[n], c.paused[n] = true, false // a paused node can be killed too.
	case Restart:
		if !c.down[n] {
			return refuse("up", "crash it before")
		}
		c.down[n], c.older[n] = false, c.copied[n]
	case CopyDisk:
		c.copied[n], c.older[n] = true, false
	case PutBack:
		switch {
		case !c.down[n]:
			return refuse("up", "crash it before its disk is replaced")
		case !c.older[n]:
			return refuse("without a copy of its disk from before its last start",
				"copy it, crash it and restart it before")
		}
	case Wipe:
		if !c.down[n] {
			return refuse("up", "crash it before its disk is wiped")
		}
	case LoseTail:
		if !c.down[n] {
			return refuse("up", "crash it before its disk is damaged")
		}
	case SwapDisks:
		if !c.down[n] {
			return refuse("up", "crash it before its disk is taken")
		}
	case Pause:
		if c.down[n] || c.paused[n] {
			return refuse("down or paused already", "restart or resume it before")
		}
		c.paused[n] = true
	case Resume:
		if !c.paused[n] {
			return refuse("not paused", "pause it before")
		}
		c.paused[n] = false
	case FreezeClock:
		if c.frozen[n] {
			return refuse("frozen already", "thaw its clock before")
		}
		c.frozen[n] = true
	case ThawClock:
		if !c.frozen[n] {
			return refuse("not frozen", "freeze its clock before")
		}
		c.frozen[n] = false
	case HealClocks:
		c.frozen[n] = false
	}
	return nil
}
