package docker

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"kvs/chaos"
)

// Where the container of another store has its data and its files of configuration.
const (
	dataInside  = "/data"
	filesInside = "/etc/node"
)

const firstPort = 7001 // of a node of another store, inside; those after it are its others.

// clientPort is the port inside that clients use.
func (c *Cluster) clientPort() string {
	if c.o.Store != nil {
		return strconv.Itoa(firstPort + c.o.Store.Client)
	}
	return port
}

// configureStore makes the command and the files of a node of another store.
func (c *Cluster) configureStore(n *member) error {
	var all []chaos.Place
	number := 0
	for i, ip := range c.network.ips {
		p := chaos.Place{Number: i + 1, Name: fmt.Sprintf("n%d", i+1), Host: ip, Front: ip, Dir: filesInside,
			Data: dataInside}
		for k := range c.o.Store.Ports {
			p.Ports = append(p.Ports, firstPort+k)
		}
		if p.Name == n.name {
			number = i
		}
		all = append(all, p)
	}
	command, err := c.o.Store.Command(all[number], all)
	if err != nil {
		return fmt.Errorf("the command of %s: %w", n.name, err)
	}
	n.command, n.env = append([]string{command.Program}, command.Args...), command.Env
	n.config = filepath.Join(c.o.Dir, n.name+".files")
	if err := os.Mkdir(n.config, 0o755); err != nil {
		return err
	}
	for name, text := range command.Files {
		if err := os.WriteFile(filepath.Join(n.config, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// Fronts are the addresses at which other nodes reach the clients' port of each node.
func (c *Cluster) Fronts() (all []string) {
	for _, ip := range c.network.ips {
		all = append(all, ip+":"+c.clientPort())
	}
	return all
}

// Reaches reports whether packets pass from one node to another at once. It is safe for concurrent use.
func (c *Cluster) Reaches(from, to int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.links.Blocked(from, to)
}
