package process

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"

	"kvs/chaos"
)

// Options of Start.
type Options struct {
	Program string // path of kvs; unused for another store.
	Dir     string // for configurations, data and logs of the nodes. It is not removed.
	Nodes   int
	Config  string             // lines that end every node's configuration.
	Seeds   int                // addresses in each configuration, of the first nodes; zero: of all.
	Voters  int                // how many members found the cluster; zero: all.
	Clocks  bool               // each node has a clock of its own, which can be wrong.
	Natural []chaos.ClockError // by node: the error without faults; empty: none.
	Base    chaos.Link         // what the network does without any fault: delay and loss.
	Rand    *rand.Rand         // draws addresses, delays and losses.

	// Store is another store to start; nil: kvs, for which alone Config, Seeds, Voters, Clocks, Natural and Secure are.
	Store *chaos.Store

	// Secure makes the credentials of the node of this name, which is reached at hosts, and returns its configuration
	// with the settings for them; nil: nodes have no credentials.
	Secure func(name string, hosts []string, config string) (string, error)
}

// Cluster is a chaos.Target over local processes. Its methods are for one goroutine at a time.
type Cluster struct {
	o      Options
	relays *relays
	nodes  []*member // [0] unused.
}

// member is one node: its files, and its process while it runs.
type member struct {
	name, config, log, data string
	program                 string   // of its next start.
	args, env               []string // env: variables besides those of this process.
	dir                     string   // in which it runs; empty: in that of this process.
	clockFile               string
	clock                   chaos.WallClock
	run                     *run
	paused                  bool
	failure                 error // how its process ended by itself the first time.
}

// run is one run of a process.
type run struct {
	cmd     *exec.Cmd
	ended   chan struct{}
	mu      sync.Mutex
	wanted  bool // its end is intended.
	failure error
}

var supported = map[chaos.Kind]bool{
	chaos.Partition: true, chaos.HealPartition: true, chaos.Cut: true, chaos.HealCut: true, chaos.Clog: true,
	chaos.HealClog: true, chaos.Reset: true, chaos.Loss: true, chaos.Delay: true,
	chaos.Heal: true, chaos.Crash: true, chaos.Restart: true, chaos.Pause: true, chaos.Resume: true, chaos.Wipe: true,
	chaos.SwapDisks: true, chaos.Recover: true,
}

// Start starts the nodes. It does not wait until they answer.
func Start(o Options) (*Cluster, error) {
	switch {
	case o.Program == "" && o.Store == nil || o.Dir == "" || o.Rand == nil:
		return nil, errors.New("process cluster: a program, a folder and a source of randomness are required")
	case o.Nodes < 1 || o.Nodes > chaos.NodesMax:
		return nil, fmt.Errorf("process cluster: %d nodes, want 1 to %d", o.Nodes, chaos.NodesMax)
	case o.Base.Duplicate != 0 || o.Base.Reorder != 0 || o.Base.Corrupt != 0:
		return nil, errors.New("process cluster: the relays have no duplicate, reorder or corrupt; take them out of " +
			"the scenario's network line")
	}
	ports := 1
	if o.Store != nil {
		ports = o.Store.Ports
	}
	r, err := openRelays(o.Nodes, ports, o.Base, o.Rand)
	if err != nil {
		return nil, err
	}
	c := &Cluster{o: o, relays: r, nodes: make([]*member, o.Nodes+1)}
	configure := c.configure
	if o.Store != nil {
		configure = c.configureStore
	}
	for i := 1; i <= o.Nodes && err == nil; i++ {
		if err = configure(i); err == nil {
			err = c.start(i)
		}
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func (c *Cluster) start(i int) error {
	m := c.nodes[i]
	log, err := os.OpenFile(m.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	r := &run{cmd: exec.Command(m.program, m.args...), ended: make(chan struct{})}
	r.cmd.Stdout, r.cmd.Stderr = log, log
	r.cmd.Env, r.cmd.Dir = append(os.Environ(), m.env...), m.dir
	dieWithUs(r.cmd)
	started := make(chan error)
	go r.live(m, started)
	if err := <-started; err != nil {
		return fmt.Errorf("start %s: %w; name the program", m.name, err)
	}
	m.run, m.paused = r, false
	c.relays.runs(i, r.cmd.Process.Pid)
	return nil
}

// live starts the process and waits until it ends. The kernel ties the process to the thread that started it (see
// dieWithUs), so that thread is kept until then.
func (r *run) live(m *member, started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := r.cmd.Start()
	started <- err
	if err != nil {
		return
	}
	err = r.cmd.Wait()
	r.mu.Lock()
	if !r.wanted {
		r.failure = fmt.Errorf("%s ended by itself: %v; read its log", m.name, how(err))
	}
	r.mu.Unlock()
	close(r.ended)
}

// how is the exit of a process in words: nil is the exit code 0.
func how(err error) string {
	if err == nil {
		return "exit status 0"
	}
	return err.Error()
}

// buried reports whether the process has ended by itself, and records it: Failures reports it, whatever is done to the
// node later.
func (m *member) buried() bool {
	if m.run == nil {
		return false
	}
	m.run.mu.Lock()
	defer m.run.mu.Unlock()
	if m.run.failure == nil {
		return false
	}
	if m.failure == nil {
		m.failure = m.run.failure
	}
	return true
}

// kill ends a process and waits until it is gone, its sockets with it. A process that has ended by itself already is as
// good for the plan.
func (m *member) kill() {
	if m.run == nil {
		return
	}
	r := m.run
	r.mu.Lock()
	r.wanted = true
	r.mu.Unlock()
	_ = r.cmd.Process.Kill() // an error says that it is gone already.
	<-r.ended
	m.buried()
	m.run, m.paused = nil, false
}

// Nodes is the size of the cluster.
func (c *Cluster) Nodes() int { return c.o.Nodes }

// Supports reports which faults are possible for local processes that were prepared for them: see Options.
func Supports(k chaos.Kind) bool { return supported[k] || k.Class() == chaos.Clock }

// Supports reports which faults are possible for these local processes.
func (c *Cluster) Supports(k chaos.Kind) bool {
	return Supports(k) && c.o.Store.Runs(k) && (c.o.Clocks || k.Class() != chaos.Clock || k == chaos.HealClocks)
}

// Endpoints are the addresses for clients, without relays, by node.
func (c *Cluster) Endpoints() []string { return printed(c.clientDoor().addrs[1:]) }

// Fronts are the addresses of the relays before the ports of Endpoints, by node: what other nodes use.
func (c *Cluster) Fronts() []string { return printed(c.clientDoor().front[1:]) }

func (c *Cluster) clientDoor() *door {
	if c.o.Store != nil {
		return c.relays.doors[c.o.Store.Client]
	}
	return c.relays.door
}

func printed(addrs []netip.AddrPort) (out []string) {
	for _, a := range addrs {
		out = append(out, a.String())
	}
	return out
}

// Reaches reports whether messages pass from one node to another at once. It is safe for concurrent use.
func (c *Cluster) Reaches(from, to int) bool { return c.relays.reaches(from, to) }

// Apply is chaos.Target's.
func (c *Cluster) Apply(f chaos.Fault) error {
	if !c.Supports(f.Kind) {
		return fmt.Errorf("`%s`: local processes have no %s; choose another target", f, f.Kind)
	}
	if f.Kind.Class() == chaos.Network || f.Kind == chaos.Recover {
		c.relays.apply(f)
	}
	nodes := f.Nodes
	if f.Kind == chaos.SwapDisks {
		return c.swapDisks(nodes[0], nodes[1])
	}
	if f.Kind == chaos.Recover || f.Kind == chaos.HealClocks && len(nodes) == 0 {
		nodes = nil
		for i := 1; i <= c.o.Nodes; i++ {
			nodes = append(nodes, i)
		}
	}
	var errs []error
	now := time.Now().UnixMilli() // one for all: clocks that are frozen together show the same.
	for _, i := range nodes {
		if m := c.nodes[i]; c.o.Clocks && m.clock.Apply(f, now) {
			errs = append(errs, os.WriteFile(m.clockFile, []byte(m.clock.String()), 0o644))
		}
		if f.Kind.Class() != chaos.Clock {
			errs = append(errs, c.applyTo(f.Kind, i))
		}
	}
	return errors.Join(errs...)
}

// swapDisks exchanges the data folders of two nodes that are down. One of them may not exist yet.
func (c *Cluster) swapDisks(i, j int) error {
	a, b := c.nodes[i], c.nodes[j]
	if a.run != nil || b.run != nil {
		return fmt.Errorf("%s of %s and %s: a process is still up; crash it before", chaos.SwapDisks, a.name, b.name)
	}
	aside := a.data + ".swapped"
	for _, move := range [][2]string{{a.data, aside}, {b.data, a.data}, {aside, b.data}} {
		if err := os.Rename(move[0], move[1]); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

func (c *Cluster) applyTo(k chaos.Kind, i int) error {
	m := c.nodes[i]
	switch {
	case k == chaos.Crash:
		m.kill()
		c.relays.runs(i, 0)
		return nil
	case k == chaos.Recover && m.buried():
		return c.start(i)
	case k == chaos.Wipe && m.run == nil:
		return os.RemoveAll(m.data)
	case (k == chaos.Restart || k == chaos.Recover) && m.run == nil:
		return c.start(i)
	case k == chaos.Pause && m.run != nil && !m.paused:
		m.paused = true
		return m.run.cmd.Process.Signal(syscall.SIGSTOP)
	case (k == chaos.Resume || k == chaos.Recover) && m.paused:
		m.paused = false
		return m.run.cmd.Process.Signal(syscall.SIGCONT)
	case k == chaos.Recover || k == chaos.Resume || k == chaos.Pause:
		return nil
	}
	return fmt.Errorf("%s of %s: its process is not in a state for that", k, m.name)
}

// Log returns what node i has logged in all its runs.
func (c *Cluster) Log(i int) (string, error) {
	b, err := os.ReadFile(c.nodes[i].log)
	return string(b), err
}

// Failures are nodes whose process has ended by itself since the cluster was started: also those that run again.
func (c *Cluster) Failures() error {
	var errs []error
	for _, m := range c.nodes[1:] {
		if m != nil {
			m.buried()
			errs = append(errs, m.failure)
		}
	}
	return errors.Join(errs...)
}

// Close kills every process and ends the relays. Files stay. Its error does not repeat Failures.
func (c *Cluster) Close() error {
	for _, m := range c.nodes[1:] {
		if m != nil {
			m.kill()
		}
	}
	c.relays.close()
	return nil
}
