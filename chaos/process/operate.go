package process

import (
	"fmt"
	"syscall"
	"time"
)

// PID is the process of node i, zero while it has none.
func (c *Cluster) PID(i int) int {
	if m := c.nodes[i]; m.run != nil {
		return m.run.cmd.Process.Pid
	}
	return 0
}

// Expect announces that the process of node i is going to end by itself, as that of a member that leaves: Failures does
// not report it. With wanted false it withdraws that.
func (c *Cluster) Expect(i int, wanted bool) {
	if r := c.nodes[i].run; r != nil {
		r.mu.Lock()
		r.wanted = wanted
		r.mu.Unlock()
	}
}

// Stop ends node i as an operator does, with SIGTERM, and waits for it, for so long at most.
func (c *Cluster) Stop(i int, atMost time.Duration) error {
	m := c.nodes[i]
	if m.run == nil {
		return fmt.Errorf("stop of %s: it has no process", m.name)
	}
	c.Expect(i, true)
	if err := m.run.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("stop of %s: %w", m.name, err)
	}
	if !c.AwaitEnd(i, atMost) {
		return fmt.Errorf("stop of %s: its process has not ended after %s; read its log", m.name, atMost)
	}
	if code := m.run.cmd.ProcessState.ExitCode(); code != 0 {
		return fmt.Errorf("stop of %s: it ended with %d; read its log", m.name, code)
	}
	m.run, m.paused = nil, false
	return nil
}

// Upgrade starts another program on the files of node i, which is stopped. Later starts of the node use it, too.
func (c *Cluster) Upgrade(i int, program string) error {
	m := c.nodes[i]
	if m.run != nil {
		return fmt.Errorf("upgrade of %s: its process is still up; stop it before", m.name)
	}
	m.program = program
	return c.start(i)
}

// AwaitEnd waits until the process of node i has ended, for so long at most, and reports whether it has.
func (c *Cluster) AwaitEnd(i int, atMost time.Duration) bool {
	r := c.nodes[i].run
	if r == nil {
		return true
	}
	t := time.NewTimer(atMost)
	defer t.Stop()
	select {
	case <-r.ended:
		return true
	case <-t.C:
		return false
	}
}
