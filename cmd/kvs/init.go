package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"

	"github.com/spf13/cobra"

	"kvs/node/host/config"
)

type initOptions struct {
	nodes    int
	dir      string
	basePort int
	cluster  string
	force    bool
}

const (
	initNodesMax = 64
	initSeedsMax = 5 // a few are enough: the other members are learned from them.
)

func newInit(a *app) *cobra.Command {
	var o initOptions
	cmd := &cobra.Command{
		Use:   "init --dir DIR",
		Short: "Write configurations for a cluster on this machine",
		Long: `Write node1.yaml, node2.yaml, ... for a cluster of nodes on this machine, on ports that follow
one another. Each key is explained in the files. Existing files are not replaced without --force;
data is never touched.`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error { return a.init(o) },
	}
	cmd.Flags().IntVar(&o.nodes, "nodes", 3, "how many nodes")
	cmd.Flags().StringVar(&o.dir, "dir", "", "folder for the configurations and the data; made when missing (required)")
	cmd.Flags().IntVar(&o.basePort, "base-port", 7001, "port of the first node, TCP and UDP; the others count up from it")
	cmd.Flags().StringVar(&o.cluster, "cluster", config.Default().Cluster, "name of the cluster; members of different clusters never mix")
	cmd.Flags().BoolVar(&o.force, "force", false, "replace existing configurations")
	_ = cmd.MarkFlagDirname("dir")
	return cmd
}

func (a *app) init(o initOptions) error {
	configs, err := o.configs()
	if err != nil {
		return err
	}
	// All are looked at before the first is written: a refusal leaves nothing behind.
	for _, c := range configs {
		if err := c.Check(); err != nil {
			return &exitError{exitUsage, err}
		}
		if _, err := os.Lstat(c.File); err == nil && !o.force {
			return usageError("%s exists; choose another --dir, or replace it with --force (data is kept)", c.File)
		} else if err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("%w; choose another --dir", err)
		}
	}
	for _, c := range configs {
		if err := config.Write(c.File, *c); err != nil {
			return err
		}
		fmt.Fprintln(a.out, c.File)
	}
	a.say("next: kvs start --wait %s", filepath.Join(o.dir, "node*.yaml"))
	return nil
}

// configs is what init writes. DataDir is relative, so that the whole folder can be moved.
func (o *initOptions) configs() ([]*config.Config, error) {
	switch {
	case o.dir == "":
		return nil, usageError("--dir is missing: in which folder shall the configurations be?")
	case o.nodes < 1 || o.nodes > initNodesMax:
		return nil, usageError("--nodes %d: want 1 to %d", o.nodes, initNodesMax)
	case o.basePort < 1 || o.basePort+o.nodes-1 > 65535:
		return nil, usageError("--base-port %d: ports have to be 1 to 65535 for all %d nodes", o.basePort, o.nodes)
	}
	address := func(i int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(o.basePort+i)) }
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
		c.DataDir = filepath.Join("data", c.Name)
		c.Seeds = seeds
		c.ExpectedMembers = o.nodes // not left to the seeds, which may be fewer: all have to expect the same cluster.
		configs[i] = &c
	}
	return configs, nil
}
