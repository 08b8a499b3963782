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
