package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"

	"github.com/spf13/cobra"

	"kvs/node/host/certs"
	"kvs/node/host/config"
	"kvs/node/host/secrets"
)

type initOptions struct {
	nodes    int
	dir      string
	basePort int
	cluster  string
	force    bool
	secure   bool
	hosts    []string
}

const (
	initNodesMax = 64
	initSeedsMax = 5 // a few are enough: the other members are learned from them.
)

func newInit(a *app) *cobra.Command {
	var o initOptions
	cmd := &cobra.Command{
		Use:   "init --dir DIR",
		Short: "Write configurations for a cluster, with all that makes it secure",
		Long: `Write node1.yaml, node2.yaml, ... for a cluster of nodes on this machine, on ports that follow
one another. Each key is explained in the files. Existing files are not replaced without --force;
data is never touched.

--secure also makes an authority for the cluster, a certificate for each node, a certificate and a
token for an administrator, and a key that gossip is sealed with, with configurations that use them. With --host,
once for each node, the nodes are on machines of their own, all on one port: copy node1.yaml,
certs/ca.crt and certs/node1.* to the first one, and so on. Keep authority/ and admin/ to yourself.`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !cmd.Flags().Changed("nodes") && len(o.hosts) > 0 {
				o.nodes = len(o.hosts)
			}
			return a.init(o)
		},
	}
	cmd.Flags().IntVar(&o.nodes, "nodes", 3, "how many nodes")
	cmd.Flags().StringVar(&o.dir, "dir", "", "folder for the configurations and the data; made when missing (required)")
	cmd.Flags().IntVar(&o.basePort, "base-port", 7001,
		"port of the first node, TCP and UDP; the others count up from it")
	cmd.Flags().StringVar(&o.cluster, "cluster", config.Default().Cluster,
		"name of the cluster; members of different clusters never mix")
	cmd.Flags().BoolVar(&o.secure, "secure", false,
		"with TLS and tokens: make an authority and certificates; the authority in DIR is used if there is one")
	cmd.Flags().StringSliceVar(&o.hosts, "host", nil,
		"host of a node on a machine of its own; once for each node, in order")
	cmd.Flags().BoolVar(&o.force, "force", false, "replace existing configurations")
	_ = cmd.MarkFlagDirname("dir")
	return cmd
}

func (a *app) init(o initOptions) error {
	configs, err := o.configs()
	if err != nil {
		return err
	}
	// All are checked before the first is written: a refusal leaves no files.
	for _, c := range configs {
		if err := c.Check(); err != nil {
			return coded(exitUsage, err)
		}
		if _, err := os.Lstat(c.File); err == nil && !o.force {
			return usageError("%s exists; choose another --dir, or replace it with --force (data is kept)", c.File)
		} else if err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("%w; choose another --dir", err)
		}
	}
	if o.secure {
		if err := a.secureAll(&o, configs); err != nil {
			return err
		}
	}
	for _, c := range configs {
		if err := config.Write(c.File, *c); err != nil {
			return err
		}
		fmt.Fprintln(a.out, c.File)
	}
	switch {
	case len(o.hosts) > 0:
		a.say("next, on the machine of each node: kvs start --wait nodeN.yaml, beside its certs folder; see kvs " +
			"init --help")
	default:
		a.say("next: kvs start --wait %s", filepath.Join(o.dir, "node*.yaml"))
	}
	if o.secure {
		dir := filepath.Dir(configs[0].File)
		a.say("to ask as the administrator: export KVS_CA=%s KVS_TOKEN_FILE=%s KVS_ENDPOINTS=%s; for all others: kvs "+
			"token create",
			filepath.Join(dir, "certs", "ca.crt"), filepath.Join(dir, "admin", "token"), configs[0].Advertise)
	}
	return nil
}

// secureAll makes the files that the configurations name.
func (a *app) secureAll(o *initOptions, configs []*config.Config) error {
	s := secrets.Folder{Dir: filepath.Dir(configs[0].File), Cluster: o.cluster}
	authority, err := s.Authority()
	if err != nil {
		return err
	}
	admin, err := s.AdminToken()
	if err != nil {
		return err
	}
	keyring, err := s.GossipKeys()
	if err != nil {
		return err
	}
	for _, c := range configs {
		c.Auth = config.Auth{Mode: config.AuthRequired, AdminHash: admin.String()}
		if err := s.Write(keyring, "certs", c.Name+".keyring"); err != nil {
			return err
		}
		id := certs.Identity{Cluster: c.Cluster, Role: certs.Member, Name: c.Name}
		if err := s.Issue(authority, id, secrets.ReachedAt(hostOf(c.Advertise)), secrets.CertValid); err != nil {
			return err
		}
	}
	id := certs.Identity{Cluster: o.cluster, Role: certs.Admin, Name: "admin"}
	if err := s.Issue(authority, id, nil, secrets.CertValid); err != nil {
		return err
	}
	for _, path := range s.Written {
		fmt.Fprintln(a.out, path)
	}
	return nil
}

// configs is what init writes. DataDir is relative, so that the whole folder can be moved.
func (o *initOptions) configs() ([]*config.Config, error) {
	switch {
	case o.dir == "":
		return nil, usageError("--dir is missing: in which folder shall the configurations be?")
	case len(o.hosts) > 0 && len(o.hosts) != o.nodes:
		return nil, usageError("%d hosts for %d nodes: give --host once for each", len(o.hosts), o.nodes)
	case len(o.hosts) > 0 && !o.secure:
		return nil, usageError("nodes on machines of their own are open to the network: add --secure")
	case o.nodes < 1 || o.nodes > initNodesMax:
		return nil, usageError("--nodes %d: want 1 to %d", o.nodes, initNodesMax)
	case o.basePort < 1 || o.basePort+o.nodes-1 > 65535:
		return nil, usageError("--base-port %d: ports have to be 1 to 65535 for all %d nodes", o.basePort, o.nodes)
	}
	address := func(i int) string {
		if len(o.hosts) > 0 {
			return net.JoinHostPort(o.hosts[i], strconv.Itoa(o.basePort))
		}
		return net.JoinHostPort("127.0.0.1", strconv.Itoa(o.basePort+i))
	}
	var seeds []string
	for i := range min(o.nodes, initSeedsMax) {
		seeds = append(seeds, address(i))
	}
	dir, err := filepath.Abs(o.dir)
	if err != nil {
		return nil, err
	}
	configs := make([]*config.Config, o.nodes)
	for i := range configs {
		c := config.Default()
		c.Name = fmt.Sprintf("node%d", i+1)
		c.File = filepath.Join(dir, c.Name+".yaml")
		c.Cluster = o.cluster
		c.Listen, c.Advertise = address(i), address(i)
		if len(o.hosts) > 0 {
			c.Listen = net.JoinHostPort("0.0.0.0", strconv.Itoa(o.basePort))
		}
		if o.secure {
			c.Auth.Mode = config.AuthRequired
			c.TLS.CA = filepath.Join("certs", "ca.crt")
			c.Gossip.Keyring = filepath.Join("certs", c.Name+".keyring")
			c.TLS.Cert, c.TLS.Key = filepath.Join("certs", c.Name+".crt"), filepath.Join("certs", c.Name+".key")
		}
		c.DataDir = filepath.Join("data", c.Name)
		c.Seeds = seeds
		// not derived from the seeds, which may be fewer: all nodes have to expect the same cluster.
		c.ExpectedMembers = o.nodes
		configs[i] = &c
	}
	return configs, nil
}
