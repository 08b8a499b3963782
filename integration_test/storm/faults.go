package storm

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"kvs/chaos"
	"kvs/node/client"
)

// kind is one kind of fault.
type kind struct {
	name, title string // one word; and for the line of figures, behind a number.
	weight      int    // how often it is drawn, against the others.
	down        bool   // the node does not take part meanwhile: at most a minority may have such a fault at a time.
	begin       func(s *storm, i int) error
	end         func(s *storm, i int) error
}

var kinds = []kind{
	{name: "kill", title: "kill -9", weight: 6, down: true, begin: plan("crash n%d"), end: plan("restart n%d")},
	{name: "pause", title: "SIGSTOP", weight: 3, down: true, begin: plan("pause n%d"), end: plan("resume n%d")},
	{name: "disk", title: "full disks", weight: 2, down: true, begin: (*storm).fillDisk, end: (*storm).freeDisk},
	{name: "cut", title: "cut networks", weight: 2, down: true, begin: (*storm).cutOff, end: (*storm).healCuts},
	{name: "clock", title: "clock jumps", weight: 2, down: true, begin: (*storm).jumpClock,
		end: plan("heal-clocks n%d")},
	{name: "flood", title: "floods of connections", weight: 2, begin: (*storm).flood, end: (*storm).endFlood},
	{name: "greedy", title: "crowds of slow and greedy clients", weight: 2, begin: (*storm).greed,
		end: (*storm).endFlood},
	{name: "replace", title: "members replaced", weight: 1, down: true, begin: (*storm).leave, end: (*storm).replace},
}

// fault is one that is in force.
type fault struct {
	kind  *kind
	node  int
	until time.Time
}

// rage begins and ends faults until the time is over.
func (s *storm) rage(ctx context.Context) error {
	end := time.Now().Add(s.o.Duration)
	var active []fault
	for time.Now().Before(end) && ctx.Err() == nil {
		now := time.Now()
		for i := len(active) - 1; i >= 0; i-- {
			if f := active[i]; !f.until.After(now) {
				active = slices.Delete(active, i, i+1)
				s.o.Say(fmt.Sprintf("n%d: end of %s", f.node, f.kind.name))
				if err := f.kind.end(s, f.node); err != nil {
					return fmt.Errorf("end of %s of n%d: %w", f.kind.name, f.node, err)
				}
			}
		}
		if f, ok := s.drawFault(active); ok {
			s.o.Say(fmt.Sprintf("n%d: %s", f.node, f.kind.name))
			switch err := f.kind.begin(s, f.node); {
			case errors.Is(err, errNotNow):
			case err != nil:
				return fmt.Errorf("%s of n%d: %w", f.kind.name, f.node, err)
			default:
				s.figures.Faults[f.kind.name]++
				active = append(active, f)
			}
		}
		s.follow()
		wait(ctx, time.Duration(200+s.draw.IntN(800))*time.Millisecond)
	}
	for _, f := range active {
		if err := f.kind.end(s, f.node); err != nil {
			return fmt.Errorf("end of %s of n%d: %w", f.kind.name, f.node, err)
		}
	}
	err := s.apply("recover")
	s.follow()
	return err
}

// follow tells the watch which processes there are.
func (s *storm) follow() {
	pids := make([]int, s.o.Nodes)
	for i := range pids {
		pids[i] = s.cluster.PID(i + 1)
	}
	s.watch.follow(pids)
}

// errNotNow says that a fault cannot begin at the moment.
var errNotNow = errors.New("not now")

// drawFault draws the next fault, for a node that has none.
func (s *storm) drawFault(active []fault) (f fault, ok bool) {
	all, down := 0, 0
	for _, k := range kinds {
		all += k.weight
	}
	at := s.draw.IntN(all)
	node := 1 + s.draw.IntN(s.o.Nodes)
	lasts := time.Duration(500+s.draw.IntN(5000)) * time.Millisecond
	k := 0
	for ; at >= kinds[k].weight; k++ {
		at -= kinds[k].weight
	}
	f = fault{kind: &kinds[k], node: node, until: time.Now().Add(lasts)}
	for _, other := range active {
		if other.kind.down {
			down++
		}
		if other.node == node || other.kind == f.kind && f.kind.name == "replace" || other.kind == f.kind &&
			f.kind.name == "cut" {
			return f, false
		}
	}
	if f.kind.down && down >= (s.o.Nodes-1)/2 || f.kind.name == "disk" && len(s.disks) < s.o.Nodes {
		return f, false
	}
	return f, true
}

// plan makes a fault of the text of chaos plans.
func plan(text string) func(*storm, int) error {
	return func(s *storm, i int) error { return s.apply(fmt.Sprintf(text, i)) }
}

func (s *storm) apply(text string) error {
	f, err := chaos.ParseFault(text)
	if err != nil {
		return err
	}
	return s.cluster.Apply(f)
}

func (s *storm) cutOff(i int) error {
	others := ""
	for j := 1; j <= s.o.Nodes; j++ {
		if j != i {
			others += fmt.Sprintf(",n%d", j)
		}
	}
	return s.apply(fmt.Sprintf("partition n%d | %s", i, others[1:]))
}

func (s *storm) healCuts(int) error { return s.apply("heal-partition") }

func (s *storm) jumpClock(i int) error {
	amount := time.Duration(s.draw.IntN(20_000)-10_000) * time.Millisecond
	return s.apply(fmt.Sprintf("jump n%d %s", i, signed(amount)))
}

func signed(d time.Duration) string {
	if d < 0 {
		return fmt.Sprintf("-%dms", -d.Milliseconds())
	}
	return fmt.Sprintf("+%dms", d.Milliseconds())
}

// fillDisk takes all that is free on the disk of a node, at once, as another program would. A new member makes its data
// folder first: it does not start in a folder that holds the file of another program, and has nothing to lose yet.
func (s *storm) fillDisk(i int) error {
	if s.fresh[i] && !s.answers(i) {
		return errNotNow
	}
	delete(s.fresh, i)
	var st syscall.Statfs_t
	if err := syscall.Statfs(s.disks[i-1], &st); err != nil {
		return err
	}
	f, err := os.Create(s.filler(i))
	if err != nil {
		return err
	}
	defer f.Close()
	for n := int64(st.Bavail) * int64(st.Bsize); n > 0; n -= 1 << 20 { // the node may take some meanwhile.
		if err := allocate(f.Fd(), n); err == nil {
			return nil
		}
	}
	return nil
}

// answers reports whether a node answers at the moment: then its store is open.
func (s *storm) answers(i int) bool {
	o := client.DefaultOptions(s.cluster.Endpoints()[i-1])
	o.AttemptTimeout = time.Second
	c, err := client.New(o)
	if err != nil {
		return false
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), o.AttemptTimeout)
	defer cancel()
	_, err = c.Status(ctx)
	return err == nil
}

func (s *storm) filler(i int) string { return filepath.Join(s.disks[i-1], "filler") }

func (s *storm) freeDisk(i int) error { return os.Remove(s.filler(i)) }

// conns are connections that a fault keeps open to a node.
type conns struct {
	stop chan struct{}
	done sync.WaitGroup
}

// crowd opens connections and keeps them busy with talk until the fault ends.
func (s *storm) crowd(i, count int, talk func(c net.Conn, stop <-chan struct{})) error {
	cs := &conns{stop: make(chan struct{})}
	s.crowds[i] = cs
	address := s.cluster.Endpoints()[i-1]
	for range count {
		cs.done.Go(func() {
			c, err := net.DialTimeout("tcp", address, time.Second)
			if err != nil {
				return
			}
			defer c.Close()
			talk(c, cs.stop)
		})
	}
	return nil
}

func (s *storm) endFlood(i int) error {
	cs := s.crowds[i]
	delete(s.crowds, i)
	close(cs.stop)
	cs.done.Wait()
	return nil
}

// flood opens more connections than the process may have descriptors, and says nothing on them.
func (s *storm) flood(i int) error {
	return s.crowd(i, 2*descriptorsMax, func(_ net.Conn, stop <-chan struct{}) { <-stop })
}

// greed announces large bodies and sends them byte by byte.
func (s *storm) greed(i int) error {
	return s.crowd(i, 100, talkSlowly)
}

// talkSlowly sends a request of 1 MiB, a byte at a time.
func talkSlowly(c net.Conn, stop <-chan struct{}) {
	fmt.Fprintf(c, "PUT /kv/greedy HTTP/1.1\r\nHost: kvs\r\nContent-Length: %d\r\n\r\n", 1<<20)
	go func() { _, _ = bufio.NewReader(c).ReadByte() }()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
			if _, err := c.Write([]byte{'x'}); err != nil {
				return
			}
		}
	}
}

// leave makes a member leave in good order. One that cannot hand over now stays.
func (s *storm) leave(i int) error {
	o := client.DefaultOptions(s.cluster.Endpoints()[i-1])
	o.AttemptTimeout = leaveTimeout
	c, err := client.New(o)
	if err != nil {
		return err
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), leaveTimeout)
	defer cancel()
	s.cluster.Expect(i, true) // its process ends by itself.
	if _, err := c.Leave(ctx, false); err != nil {
		var refused *client.Error
		if errors.As(err, &refused) && refused.Status != 0 {
			s.cluster.Expect(i, false)
			return errNotNow
		}
		// No answer: it may leave or stay. Its process tells.
		if !s.cluster.AwaitEnd(i, leaveTimeout) {
			s.cluster.Expect(i, false)
			return errNotNow
		}
	}
	if !s.cluster.AwaitEnd(i, leaveTimeout) {
		return fmt.Errorf("it has left, and its process still runs after %v", leaveTimeout)
	}
	return nil
}

const leaveTimeout = 30 * time.Second

// replace starts a new member in the place of one that has left.
func (s *storm) replace(i int) error {
	if err := s.apply(fmt.Sprintf("crash n%d", i)); err != nil { // it has ended: that is now known.
		return err
	}
	data := filepath.Join(s.o.Dir, fmt.Sprintf("n%d", i), "data")
	entries, err := os.ReadDir(data)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := os.RemoveAll(filepath.Join(data, e.Name())); err != nil {
			return err
		}
	}
	s.fresh[i] = true
	return s.apply(fmt.Sprintf("restart n%d", i))
}

// wait returns when d is over or ctx has ended.
func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
