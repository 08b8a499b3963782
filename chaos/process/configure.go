package process

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"kvs/chaos"
)

// configure makes the folder of node i, and its configuration in it.
func (c *Cluster) configure(i int) error {
	name := fmt.Sprintf("n%d", i)
	dir, err := filepath.Abs(filepath.Join(c.o.Dir, name))
	if err == nil {
		err = os.MkdirAll(dir, 0o755)
	}
	if err != nil {
		return fmt.Errorf("folder of %s: %w; choose another one", name, err)
	}
	c.nodes[i] = &member{name: name, config: filepath.Join(dir, name+".yaml"), log: filepath.Join(dir, name+".log"),
		data: filepath.Join(dir, "data"), program: c.o.Program}
	c.nodes[i].args = []string{c.nodes[i].config}
	c.nodes[i].env = []string{"KVS_TEST_FAULTS=1", "KVS_HOME=" + filepath.Join(dir, "home")}
	var text strings.Builder
	fmt.Fprintf(&text, "name: %s\nlisten: %s\nadvertise: %s\ndata_dir: %q\nexpected_members: %d\nseeds:\n",
		name, c.relays.addrs[i], c.relays.front[i], c.nodes[i].data, chaos.AtMost(c.o.Voters, c.o.Nodes))
	for _, a := range c.relays.front[1 : 1+chaos.AtMost(c.o.Seeds, c.o.Nodes)] {
		fmt.Fprintf(&text, "  - %s\n", a)
	}
	if c.o.Clocks {
		m := c.nodes[i]
		m.clockFile = filepath.Join(dir, "clock")
		if i <= len(c.o.Natural) {
			m.clock.Natural = c.o.Natural[i-1]
		}
		if err := os.WriteFile(m.clockFile, []byte(m.clock.String()), 0o644); err != nil {
			return err
		}
		fmt.Fprintf(&text, "test_clock_file: %q\n", m.clockFile)
	}
	text.WriteString(c.o.Config)
	whole := text.String()
	if c.o.Secure != nil {
		own, front := c.relays.addrs[i].Addr().String(), c.relays.front[i].Addr().String()
		whole, err = c.o.Secure(name, []string{own, front}, whole)
	}
	if err != nil {
		return fmt.Errorf("secure %s: %w", name, err)
	}
	return os.WriteFile(c.nodes[i].config, []byte(whole), 0o644)
}

// configureStore makes the folders, the files and the command of node i of another store.
func (c *Cluster) configureStore(i int) error {
	var all []chaos.Place
	for n := 1; n <= c.o.Nodes; n++ {
		p, err := c.place(n)
		if err != nil {
			return err
		}
		all = append(all, p)
	}
	own := all[i-1]
	if err := os.MkdirAll(own.Data, 0o755); err != nil {
		return fmt.Errorf("folder of %s: %w; choose another one", own.Name, err)
	}
	command, err := c.o.Store.Command(own, all)
	if err != nil {
		return fmt.Errorf("the command of %s: %w", own.Name, err)
	}
	for name, text := range command.Files {
		if err := os.WriteFile(filepath.Join(own.Dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	c.nodes[i] = &member{name: own.Name, dir: own.Dir, log: filepath.Join(own.Dir, own.Name+".log"), data: own.Data,
		program: command.Program, args: command.Args, env: command.Env}
	return nil
}

func (c *Cluster) place(i int) (chaos.Place, error) {
	p := chaos.Place{Number: i, Name: fmt.Sprintf("n%d", i), Host: c.relays.addrs[i].Addr().String(),
		Front: c.relays.front[i].Addr().String()}
	for _, d := range c.relays.doors {
		p.Ports = append(p.Ports, int(d.addrs[i].Port()))
	}
	dir, err := filepath.Abs(filepath.Join(c.o.Dir, p.Name))
	if err != nil {
		return p, fmt.Errorf("folder of %s: %w; choose another one", p.Name, err)
	}
	p.Dir, p.Data = dir, filepath.Join(dir, "data")
	return p, nil
}
