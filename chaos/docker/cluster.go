package docker

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/ory/dockertest/v3"
	dc "github.com/ory/dockertest/v3/docker"

	"kvs/chaos"
	"kvs/chaos/ports"
)

const (
	port         = "7001" // of every node, inside: REST, peers and gossip.
	stopSeconds  = 20     // how long a node may take to end; longer than shutdown_timeout.
	firstIP      = 11     // n1 is 198.18.x.11; .1 is the gateway.
	subnetsTried = 64     // of the 256 in 198.18.0.0/16.
)

// Options of Start.
type Options struct {
	Nodes int
	// how many of them, the last ones, are not started, and not known to the others: they join later.
	Idle      int
	Image     string             // as BuildImage named it.
	Dir       string             // for the configurations; it must exist until Close, because the containers see it.
	Config    string             // lines that end every node's configuration, such as "log:\n  level: debug\n".
	Base      chaos.Link         // what the network does without any fault: delay and loss.
	Seeds     int                // addresses in each configuration, of the first nodes; zero: of all that are started.
	Voters    int                // how many members found the cluster; zero: all that are started.
	Clocks    bool               // each node has a clock of its own, which can be wrong.
	Natural   []chaos.ClockError // by node: the error without faults; empty: none.
	DiskBytes int64              // size of every node's disk, which can then be filled; zero: a volume without a bound.

	// Secure makes the credentials of the node of this name, which is reached at host, and returns its configuration
	// with the settings for them; nil: nodes have no credentials. Files are below Secrets on this machine, and below
	// SecretsInside for the nodes.
	Secure  func(cluster, name, host, config string) (string, error)
	Secrets string

	// Store is another store to start; nil: kvs, for which alone Idle, Config, Seeds, Voters, Clocks, Natural,
	// DiskBytes and Secure are. Image has its program, as BuildProgramImage makes it.
	Store *chaos.Store
}

// SecretsInside is where nodes find the folder Options.Secrets. They may change it.
const SecretsInside = "/etc/kvs/secrets"

// Cluster is a running cluster. It is for one goroutine at a time, except its accessors.
type Cluster struct {
	o         Options
	client    *dc.Client
	run       string
	nodes     []*member
	networkID string
	network   network
	mu        sync.Mutex // for changes of links.
	links     *chaos.Links
}

type member struct {
	id       string // of the container.
	name     string
	ip       string
	endpoint string // of REST, on loopback.
	config   string // path of its configuration on this machine.
	disk     string // where its data is on this machine: a path, or the name of a volume.
	command  []string
	env      []string
	up       bool  // as far as this target has done it.
	failure  error // how it ended by itself the first time.

	clockFile string
	clock     chaos.WallClock
}

var runs atomic.Int64

// Start removes leftovers and starts a cluster. The nodes are processes when it returns; they may not answer yet. After
// an error nothing is left.
func Start(o Options) (*Cluster, error) {
	switch {
	case o.Nodes < 1 || o.Nodes > chaos.NodesMax:
		return nil, fmt.Errorf("a cluster of %d nodes; choose 1 to %d", o.Nodes, chaos.NodesMax)
	case o.Idle < 0 || o.Idle >= o.Nodes:
		return nil, fmt.Errorf("%d idle nodes of %d: at least one node has to run from the beginning", o.Idle, o.Nodes)
	case o.Base.Duplicate != 0 || o.Base.Reorder != 0 || o.Base.Corrupt != 0:
		return nil, errors.New("the Docker target has no duplicate, reorder or corrupt; take them out of the " +
			"scenario's network line")
	}
	client, err := connect()
	if err != nil {
		return nil, err
	}
	if err := removeLeftovers(client); err != nil {
		return nil, fmt.Errorf("remove what an earlier run left: %w", err)
	}
	c := &Cluster{
		o:      o,
		client: client,
		run:    fmt.Sprintf("%d-%d", os.Getpid(), runs.Add(1)),
		links:  chaos.NewLinks(o.Nodes, o.Base),
	}
	making.RLock()
	err = c.create()
	making.RUnlock()
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// Close removes everything that belongs to the cluster, data included.
func (c *Cluster) Close() error {
	return errors.Join(remove(c.client, func(run string) bool { return run == c.run }), c.network.delay.close())
}

// Endpoint is where node i answers REST: "127.0.0.1:port".
func (c *Cluster) Endpoint(i int) string { return c.nodes[i-1].endpoint }

// Gossip is where node i receives datagrams: an address in the network of the nodes, to which this machine is
// connected, too.
func (c *Cluster) Gossip(i int) string { return c.nodes[i-1].ip + ":" + port }

// Endpoints of all nodes.
func (c *Cluster) Endpoints() (all []string) {
	for _, n := range c.nodes {
		all = append(all, n.endpoint)
	}
	return all
}

// Log returns what node i has logged since it was created.
func (c *Cluster) Log(i int) (string, error) {
	var b bytes.Buffer
	err := c.client.Logs(dc.LogsOptions{Container: c.nodes[i-1].id, OutputStream: &b, ErrorStream: &b, Stdout: true,
		Stderr: true})
	return b.String(), err
}

func connect() (*dc.Client, error) {
	pool, err := dockertest.NewPool("")
	if err == nil {
		err = pool.Client.Ping()
	}
	if err != nil {
		return nil, fmt.Errorf("no Docker engine answers: %w; start one, or set DOCKER_HOST", err)
	}
	return pool.Client, nil
}

func (c *Cluster) labels() map[string]string { return map[string]string{label: c.run} }

func (c *Cluster) create() error {
	prefix, networkID, err := c.createNetwork()
	if err != nil {
		return err
	}
	c.networkID = networkID
	c.network = network{chain: chainPrefix + c.run, subnet: prefix + ".0/24"}
	for i := range c.o.Nodes {
		c.network.ips = append(c.network.ips, fmt.Sprintf("%s.%d", prefix, firstIP+i))
	}
	if err := errors.Join(c.network.install(), c.network.enforce(c.links)); err != nil {
		return err
	}
	base, err := ports.Free(c.o.Nodes)
	if err != nil {
		return err
	}
	for i, ip := range c.network.ips {
		n := &member{name: fmt.Sprintf("n%d", i+1), ip: ip, endpoint: fmt.Sprintf("127.0.0.1:%d", base+i)}
		if err := c.createNode(n); err != nil {
			return fmt.Errorf("create %s: %w", n.name, err)
		}
		c.nodes = append(c.nodes, n)
	}
	for _, n := range c.nodes[:c.o.Nodes-c.o.Idle] {
		if err := c.start(n); err != nil {
			return fmt.Errorf("start %s: %w", n.name, err)
		}
	}
	return nil
}

// createNetwork takes the first free /24 of 198.18.0.0/16, counted from one that differs between processes.
// 198.18.0.0/15 is for testing networks (RFC 2544), so no real network is hidden.
func (c *Cluster) createNetwork() (prefix, id string, err error) {
	for try := range subnetsTried {
		prefix = fmt.Sprintf("198.18.%d", (os.Getpid()+try)%256)
		n, err := c.client.CreateNetwork(dc.CreateNetworkOptions{
			Name:   "kvs-" + c.run,
			Driver: "bridge",
			Labels: c.labels(),
			IPAM: &dc.IPAMOptions{Driver: "default",
				Config: []dc.IPAMConfig{{Subnet: prefix + ".0/24", Gateway: prefix + ".1"}}},
			Options: map[string]any{"com.docker.network.bridge.enable_ip_masquerade": "false"},
		})
		if err == nil {
			return prefix, n.ID, nil
		}
		if !strings.Contains(err.Error(), "overlaps") {
			return "", "", fmt.Errorf("create a network: %w", err)
		}
	}
	return "", "", fmt.Errorf("no free network among %d in 198.18.0.0/16; remove some (docker network ls)",
		subnetsTried)
}

// createNode makes a node's configuration, disk and container.
func (c *Cluster) createNode(n *member) error {
	if c.o.Store != nil {
		if err := c.configureStore(n); err != nil {
			return err
		}
		return errors.Join(c.createDisk(n), c.createContainer(n, c.o.Image))
	}
	n.env = []string{"KVS_TEST_FAULTS=1"}
	n.config = filepath.Join(c.o.Dir, n.name+".yaml")
	if err := c.configure(n, ""); err != nil {
		return err
	}
	n.clockFile = filepath.Join(c.o.Dir, n.name+".clock")
	if len(c.nodes) < len(c.o.Natural) {
		n.clock.Natural = c.o.Natural[len(c.nodes)]
	}
	if err := os.WriteFile(n.clockFile, []byte(n.clock.String()), 0o644); err != nil {
		return err
	}
	if err := c.createDisk(n); err != nil {
		return err
	}
	return c.createContainer(n, c.o.Image)
}

func (c *Cluster) unique(n *member) string { return "kvs-" + c.run + "-" + n.name }

func (c *Cluster) createContainer(n *member, image string) error {
	_, hostPort, _ := net.SplitHostPort(n.endpoint)
	inside := dc.Port(c.clientPort() + "/tcp")
	container, err := c.client.CreateContainer(dc.CreateContainerOptions{
		Name: c.unique(n),
		Config: &dc.Config{
			Image: image, Hostname: n.name, Labels: c.labels(), StopSignal: "SIGTERM",
			Env: n.env, Entrypoint: n.command,
			ExposedPorts: map[dc.Port]struct{}{inside: {}},
		},
		HostConfig: &dc.HostConfig{
			Binds:        c.binds(n),
			PortBindings: map[dc.Port][]dc.PortBinding{inside: {{HostIP: "127.0.0.1", HostPort: hostPort}}},
		},
		NetworkingConfig: &dc.NetworkingConfig{EndpointsConfig: map[string]*dc.EndpointConfig{
			"kvs-" + c.run: c.endpoint(n),
		}},
	})
	if err != nil {
		return err
	}
	n.id = container.ID
	return nil
}

// binds are what a container sees of this machine.
func (c *Cluster) binds(n *member) []string {
	if c.o.Store != nil {
		return []string{n.disk + ":" + dataInside, n.config + ":" + filesInside + ":ro"}
	}
	all := []string{n.disk + ":/data", n.config + ":/etc/kvs/node.yaml:ro", n.clockFile + ":/etc/kvs/clock:ro"}
	if c.o.Secrets != "" {
		all = append(all, c.o.Secrets+":"+SecretsInside)
	}
	return all
}

// endpoint is a node's place in the network. Addresses are fixed and literal: the engine hands out dynamic ones anew at
// each start, and its name service keeps a resolver waiting for ten seconds for a node that is down.
func (c *Cluster) endpoint(n *member) *dc.EndpointConfig {
	return &dc.EndpointConfig{NetworkID: c.networkID, IPAMConfig: &dc.EndpointIPAMConfig{IPv4Address: n.ip}}
}

// configure writes a node's configuration, which the node reads when it starts. It writes into the same file: a
// container sees the file that it was given, not its name.
func (c *Cluster) configure(n *member, more string) error {
	var seeds []string
	started := c.o.Nodes - c.o.Idle
	for _, ip := range c.network.ips[:chaos.AtMost(c.o.Seeds, started)] {
		seeds = append(seeds, ip+":"+port)
	}
	cluster := "chaos-" + c.run
	text := fmt.Sprintf("name: %s\ncluster: %s\nlisten: 0.0.0.0:%s\nadvertise: %s:%s\ndata_dir: /data\nseeds: [%s]\n"+
		"expected_members: %d\n",
		n.name, cluster, port, n.ip, port, strings.Join(seeds, ", "), chaos.AtMost(c.o.Voters, started))
	if c.o.DiskBytes > 0 {
		text += diskConfig
	}
	if c.o.Clocks {
		text += "test_clock_file: /etc/kvs/clock\n"
	}
	text += c.o.Config + more
	if c.o.Secure == nil {
		text += "insecure: true\n"
	} else {
		var err error
		if text, err = c.o.Secure(cluster, n.name, n.ip, text); err != nil {
			return fmt.Errorf("secure %s: %w", n.name, err)
		}
	}
	return os.WriteFile(n.config, []byte(text), 0o644)
}
