package docker

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	dc "github.com/ory/dockertest/v3/docker"

	"kvs/chaos"
)

var _ chaos.Target = (*Cluster)(nil)

const exitKilled = 128 + int(syscall.SIGKILL) // what the engine says of a process that the signal ended.

// Nodes is the size of the cluster.
func (c *Cluster) Nodes() int { return len(c.nodes) }

// Supports reports which faults are possible for a cluster that was prepared for them: see Options.
func Supports(k chaos.Kind) bool {
	switch k {
	case chaos.Partition, chaos.HealPartition, chaos.Cut, chaos.HealCut, chaos.Loss, chaos.Delay, chaos.Heal,
		chaos.Crash, chaos.Restart, chaos.Pause, chaos.Resume, chaos.Wipe, chaos.DiskFull, chaos.HealDisks,
		chaos.Recover:
		return true
	}
	return k.Class() == chaos.Clock
}

// Supports reports which faults Apply supports.
func (c *Cluster) Supports(k chaos.Kind) bool {
	switch {
	case k == chaos.DiskFull:
		return c.o.DiskBytes > 0
	case k.Class() == chaos.Clock && k != chaos.HealClocks:
		return c.o.Clocks
	}
	return Supports(k) && c.o.Store.Runs(k)
}

// Apply puts f in force. A node that is started is a process when it returns; it may not answer yet.
//
// A partition or cut is made of IP packets: a one-way cut takes the TCP connections of both directions down, for want
// of acknowledgements, and only gossip goes one way.
func (c *Cluster) Apply(f chaos.Fault) error {
	if !c.Supports(f.Kind) {
		return fmt.Errorf("`%s`: the Docker target has no %s; take the line out of the plan", f, f.Kind)
	}
	if err := f.Check(); err != nil {
		return err
	}
	for _, i := range f.Nodes {
		if i > len(c.nodes) {
			return fmt.Errorf("`%s`: there is no n%d in a cluster of %d", f, i, len(c.nodes))
		}
	}
	making.RLock()
	defer making.RUnlock()
	if err := c.apply(f); err != nil {
		return fmt.Errorf("`%s`: %w", f, err)
	}
	return nil
}

func (c *Cluster) apply(f chaos.Fault) error {
	c.mu.Lock()
	changed := c.links.Apply(f)
	c.mu.Unlock()
	if changed {
		if err := c.network.enforce(c.links); err != nil {
			return err
		}
	}
	if err := c.setClocks(f); err != nil {
		return err
	}
	switch f.Kind {
	case chaos.Crash:
		return c.each(f.Nodes, c.kill)
	case chaos.Restart:
		return c.each(f.Nodes, c.start)
	case chaos.Pause:
		return c.each(f.Nodes, func(n *member) error { return c.client.PauseContainer(n.id) })
	case chaos.Wipe:
		return c.each(f.Nodes, c.wipe)
	case chaos.DiskFull:
		return c.each(f.Nodes, c.fill)
	case chaos.HealDisks:
		if len(f.Nodes) == 0 {
			return c.healDisks()
		}
		return c.each(f.Nodes, c.unfill)
	case chaos.Resume:
		return c.each(f.Nodes, func(n *member) error { return c.client.UnpauseContainer(n.id) })
	case chaos.Recover:
		return c.recover()
	}
	return nil
}

// setClocks applies f to the clocks, if it concerns them. All get the same moment: clocks that are frozen together show
// the same.
func (c *Cluster) setClocks(f chaos.Fault) error {
	if c.o.Store != nil {
		return nil
	}
	nodes := f.Nodes
	if len(nodes) == 0 {
		for i := range c.nodes {
			nodes = append(nodes, i+1)
		}
	}
	now := time.Now().UnixMilli()
	return c.each(nodes, func(n *member) error {
		if !n.clock.Apply(f, now) {
			return nil
		}
		return os.WriteFile(n.clockFile, []byte(n.clock.String()), 0o644)
	})
}

// recover frees the disks, and resumes and starts all nodes that do not run; the network is healed already.
func (c *Cluster) recover() error {
	errs := []error{c.healDisks()}
	for _, n := range c.nodes {
		state, err := c.inspect(n)
		switch {
		case err != nil:
			errs = append(errs, err)
		case state.Paused:
			errs = append(errs, c.client.UnpauseContainer(n.id))
		case !state.Running:
			errs = append(errs, c.start(n))
		}
	}
	return errors.Join(errs...)
}

// Stop asks a node to end, as an operator does, and waits until it has; a process that takes too long is killed, which
// is an error.
func (c *Cluster) Stop(i int) error {
	n := c.nodes[i-1]
	if _, err := c.inspect(n); err != nil {
		return fmt.Errorf("stop n%d: %w", i, err)
	}
	n.up = false
	if err := c.client.StopContainer(n.id, stopSeconds); err != nil {
		return fmt.Errorf("stop n%d: %w", i, err)
	}
	state, err := c.inspect(n)
	if err != nil {
		return fmt.Errorf("stop n%d: %w", i, err)
	}
	if state.ExitCode != 0 {
		return fmt.Errorf("stop n%d: it ended with %d instead of 0; read its log", i, state.ExitCode)
	}
	return nil
}

// Disconnect takes a node out of the network, as if its cable was pulled: its own addresses are gone, and clients do
// not reach it either. Connect plugs it in again.
func (c *Cluster) Disconnect(i int) error {
	return c.client.DisconnectNetwork(c.networkID, dc.NetworkConnectionOptions{Container: c.nodes[i-1].id, Force: true})
}

// Connect ends what Disconnect began, with the address that the node had.
func (c *Cluster) Connect(i int) error {
	n := c.nodes[i-1]
	return c.client.ConnectNetwork(c.networkID,
		dc.NetworkConnectionOptions{Container: n.id, EndpointConfig: c.endpoint(n)})
}

// Reconfigure adds lines to a node's configuration, in place of those of the last Reconfigure. They hold from its next
// start.
func (c *Cluster) Reconfigure(i int, lines string) error { return c.configure(c.nodes[i-1], lines) }

// Signal sends the process of a node a signal that the cluster does not expect: an accident.
func (c *Cluster) Signal(i int, s syscall.Signal) error {
	return c.client.KillContainer(dc.KillContainerOptions{ID: c.nodes[i-1].id, Signal: dc.Signal(s)})
}

// inspect returns the state of a node, and records that it has ended by itself.
func (c *Cluster) inspect(n *member) (dc.State, error) {
	container, err := c.client.InspectContainer(n.id)
	if err != nil {
		return dc.State{}, err
	}
	if !container.State.Running {
		n.ended(container.State.ExitCode)
	}
	return container.State, nil
}

// ended records that a node does not run. If it ended by itself its exit code stays recorded, whatever is done to the
// node later.
func (n *member) ended(code int) {
	if n.up && n.failure == nil {
		n.failure = fmt.Errorf("%s ended by itself with %d; read its log", n.name, code)
	}
	n.up = false
}

// kill ends the process with SIGKILL and waits until it is gone. The engine thaws a paused process itself so that the
// signal takes effect. A process that has ended by itself already is as good for the plan; Failures reports it.
func (c *Cluster) kill(n *member) error {
	expected := n.up
	state, err := c.inspect(n)
	if err != nil || expected && !state.Running {
		return err
	}
	killed := c.client.KillContainer(dc.KillContainerOptions{ID: n.id, Signal: dc.SIGKILL})
	if killed != nil {
		if state, err := c.inspect(n); err == nil && expected && !state.Running {
			return nil // it ended in between.
		}
		return killed
	}
	code, err := c.client.WaitContainer(n.id)
	if err == nil && code != exitKilled { // it ended before the signal.
		n.ended(code)
	}
	n.up = false
	return err
}

func (c *Cluster) start(n *member) error {
	if _, err := c.inspect(n); err != nil {
		return err
	}
	err := c.client.StartContainer(n.id, nil)
	n.up = err == nil
	return err
}

// Failures are nodes that have ended by themselves since the cluster was started: also those that run again.
func (c *Cluster) Failures() error {
	var errs []error
	for _, n := range c.nodes {
		_, err := c.inspect(n)
		errs = append(errs, err, n.failure)
	}
	return errors.Join(errs...)
}

func (c *Cluster) each(nodes []int, do func(*member) error) error {
	for _, i := range nodes {
		if err := do(c.nodes[i-1]); err != nil {
			return fmt.Errorf("n%d: %w", i, err)
		}
	}
	return nil
}
