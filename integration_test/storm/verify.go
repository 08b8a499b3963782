package storm

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"kvs/node"
	"kvs/node/api"
	"kvs/node/client"
)

const (
	lostShown  = 5 // paths of lost writes that are named.
	lookPause  = 200 * time.Millisecond
	pageLimit  = 5000
	alikeTimes = 2 // looks in a row that find all members alike.
)

// one is a client of node i alone.
func (s *storm) one(i int) *client.Client {
	o := client.DefaultOptions(s.cluster.Endpoints()[i-1])
	o.AttemptTimeout = attemptTimeout
	c, err := client.New(o)
	if err != nil {
		panic("storm: " + err.Error()) // the endpoints are our own.
	}
	return c
}

// awaitAlike waits until each node is ready, all know each other as alive, and all hold the same. It returns how long
// that took.
func (s *storm) awaitAlike(ctx context.Context) (time.Duration, error) {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	why := error(nil)
	for seen := 0; seen < alikeTimes; {
		if ctx.Err() != nil {
			return 0, fmt.Errorf("%v after the last fault not all nodes are ready and alike: %w", settleTimeout, why)
		}
		if err := s.cluster.Failures(); err != nil {
			return 0, err
		}
		if why = s.alike(ctx); why == nil {
			seen++
		} else {
			seen = 0
		}
		wait(ctx, lookPause)
	}
	return time.Since(began), nil
}

// alike reports what is still different; nil: nothing is.
func (s *storm) alike(ctx context.Context) error {
	digest := ""
	for i := 1; i <= s.o.Nodes; i++ {
		c := s.one(i)
		st, err := c.Status(ctx)
		c.Close()
		if err != nil {
			return fmt.Errorf("n%d: %w", i, err)
		}
		alive := 0
		for _, m := range st.Members {
			if m.State == "alive" {
				alive++
			}
		}
		switch {
		case !st.Ready:
			return fmt.Errorf("n%d is not ready: %s %v", i, st.Mode, st.Reasons)
		case alive != s.o.Nodes:
			return fmt.Errorf("n%d knows %d members alive, want %d", i, alive, s.o.Nodes)
		case digest != "" && st.Digest != digest:
			return fmt.Errorf("n%d holds something else than n1", i)
		}
		digest = st.Digest
	}
	return nil
}

func (s *storm) settle(ctx context.Context) error {
	s.o.Say("the storm is over: waiting until all members are ready and alike")
	took, err := s.awaitAlike(ctx)
	s.figures.Settled = took.Seconds()
	return err
}

// verify looks for each acknowledged write at each member.
func (s *storm) verify(ctx context.Context) error {
	w := s.work
	s.figures.Acked, s.figures.Unknown, s.figures.Refused = len(w.acked), w.unknown, w.refused
	for _, n := range w.counted {
		s.figures.Acked += n
	}
	s.o.Say(fmt.Sprintf("looking for %d acknowledged writes at each member", s.figures.Acked))
	for i := 1; i <= s.o.Nodes; i++ {
		if err := s.verifyAt(ctx, i); err != nil {
			return err
		}
	}
	c := s.one(1)
	defer c.Close()
	for i := range counters {
		if err := s.verifyCounter(ctx, c, i); err != nil {
			return err
		}
	}
	return nil
}

func (s *storm) verifyAt(ctx context.Context, i int) error {
	c := s.one(i)
	defer c.Close()
	shown := make(map[string]string, len(s.work.acked))
	for e, err := range c.Entries(ctx, node.ListRequest{Directory: "storm/", Recursive: true, Limit: pageLimit}) {
		if err != nil {
			return fmt.Errorf("list n%d: %w", i, err)
		}
		shown[e.Path] = e.ETag
	}
	var lost []string
	for path, version := range s.work.acked {
		if shown[path] != version {
			lost = append(lost, path)
		}
	}
	if len(lost) == 0 {
		return nil
	}
	s.figures.Lost += len(lost)
	slices.Sort(lost)
	s.figures.Problems = append(s.figures.Problems, fmt.Sprintf("n%d does not show %d acknowledged writes, such as %v",
		i, len(lost), lost[:min(len(lost), lostShown)]))
	return nil
}

// verifyCounter wants a counter to be at least what was acknowledged, and at most that and what may have happened.
func (s *storm) verifyCounter(ctx context.Context, c *client.Client, i int) error {
	v, err := c.Get(ctx, counterPath(i), node.Linearizable)
	got := 0
	switch {
	case err == nil:
		if got, err = strconv.Atoi(string(v.Body)); err != nil {
			return err
		}
	case client.CodeOf(err) != api.NotFound:
		return errors.Join(fmt.Errorf("counter %d", i), err)
	}
	low, high := s.work.counted[i], s.work.counted[i]+s.work.doubtful[i]
	if got < low || got > high {
		s.figures.Lost += max(low-got, 0)
		s.figures.Problems = append(s.figures.Problems,
			fmt.Sprintf("counter %d is at %d, want %d to %d", i, got, low, high))
	}
	return nil
}
