package systems

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"kvs/chaos"
	"kvs/scenarios/live/driver"
)

//go:embed *.yaml
var shipped embed.FS

const extension = ".yaml"

// version is that of the format, the first line of a file. Another one is refused: a file is read wholly or not at all.
const version = 1

// System is a store, and how its nodes are started and spoken to.
type System struct {
	Name, About string
	Driver      driver.Driver
	Options     string // those that are not the driver's usual ones, for people: "reads=serializable".
	// Program is the path or the name of the program, and Package the package of Debian that has it.
	Program, Package string
	VersionArgs      []string // with them the program prints its version.
	Promises         []string // what its history is judged by.
	ReadyPath        string   // of HTTP, which answers with 200 when a node is ready; empty: a read says it.
	ReadyWithin      time.Duration
	Failover         string // redis, or empty: the store itself replaces what is gone.

	ports          []string
	client         int
	command        []template
	env, filesText []namedTemplate
}

// The promises by which the history of any store can be judged. They are those of kvs' scenarios.
const (
	Linearizable = "linearizable"
	NoLostWrite  = "no-lost-write"
	Converged    = "converged"
)

var promises = []string{Linearizable, NoLostWrite, Converged}

// readyWithin is how long nodes may take to be ready if the file does not say.
const readyWithin = 30 * time.Second

// Names are the systems that are shipped.
func Names() (names []string) {
	entries, err := fs.ReadDir(shipped, ".")
	if err != nil {
		panic("systems: the embedded files: " + err.Error())
	}
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), extension))
	}
	slices.Sort(names)
	return names
}

// Load reads a system: the path of a file has a slash or a dot in it, and everything else is a name of a shipped one.
// Options, each "name=value", replace those of the file.
func Load(name string, options []string) (*System, error) {
	text, err := Text(name)
	if err != nil {
		return nil, err
	}
	s, err := Parse(text, options)
	if err != nil {
		return nil, fmt.Errorf("system %s: %w", path.Base(name), err)
	}
	return s, nil
}

// Text is the file of a system, by its path or its name.
func Text(name string) ([]byte, error) {
	if strings.ContainsAny(name, "/.") {
		return os.ReadFile(name)
	}
	text, err := shipped.ReadFile(name + extension)
	if err != nil {
		return nil, fmt.Errorf("there is no system %q: use one of %s, or the path of a file", name,
			strings.Join(Names(), ", "))
	}
	return text, nil
}

// Store is how a target starts the nodes. Program is the path of the program.
func (s *System) Store(program string) *chaos.Store {
	return &chaos.Store{Ports: len(s.ports), Client: s.client, Command: func(own chaos.Place, all []chaos.Place) (
		c chaos.Command, err error) {
		c = chaos.Command{Program: program, Files: map[string]string{}}
		data := s.place(own, all)
		for _, t := range s.command {
			arg, err := t.fill(data)
			if err != nil {
				return c, fmt.Errorf("command: %w", err)
			}
			c.Args = append(c.Args, arg)
		}
		for _, t := range s.env {
			value, err := t.fill(data)
			if err != nil {
				return c, fmt.Errorf("env %s: %w", t.name, err)
			}
			c.Env = append(c.Env, t.name+"="+value)
		}
		for _, t := range s.filesText {
			if c.Files[t.name], err = t.fill(data); err != nil {
				return c, fmt.Errorf("file %s: %w", t.name, err)
			}
		}
		return c, nil
	}}
}

// check refuses what cannot be meant, and fills in what is not said.
func (s *System) check(client string) error {
	switch {
	case s.Name == "":
		return errors.New("name: give the store one")
	case s.Program == "":
		return errors.New("program: name the program of a node, such as etcd or ./bin/store")
	case len(s.ports) == 0:
		return errors.New("ports: name those that a node needs, such as [client, peer]")
	case s.Failover != "" && s.Failover != failoverRedis:
		return fmt.Errorf("failover: %q: there is %s", s.Failover, failoverRedis)
	case s.ReadyPath != "" && !strings.HasPrefix(s.ReadyPath, "/"):
		return fmt.Errorf("ready: http: %q: begin with a slash", s.ReadyPath)
	case s.ReadyWithin < 0:
		return fmt.Errorf("ready: within: %s: must be above zero", s.ReadyWithin)
	}
	for i, p := range s.ports {
		if p == "" || slices.Contains(s.ports[:i], p) {
			return fmt.Errorf("ports: %q is empty or there twice", p)
		}
	}
	if client != "" {
		if s.client = slices.Index(s.ports, client); s.client < 0 {
			return fmt.Errorf("client-port: %q is none of the ports %s", client, strings.Join(s.ports, ", "))
		}
	}
	if len(s.Promises) == 0 {
		s.Promises = promises
	}
	for _, p := range s.Promises {
		if !slices.Contains(promises, p) {
			return fmt.Errorf("promises: %q: use some of %s", p, strings.Join(promises, ", "))
		}
	}
	if s.ReadyWithin == 0 {
		s.ReadyWithin = readyWithin
	}
	return s.rehearse()
}

// rehearse makes the command of a node that does not exist, so that a mistake in a template is found before any node is
// started.
func (s *System) rehearse() error {
	all := []chaos.Place{{Number: 1, Name: "n1", Host: "127.0.0.1", Front: "127.0.0.2"},
		{Number: 2, Name: "n2", Host: "127.0.0.3", Front: "127.0.0.4"}}
	for i := range all {
		for k := range s.ports {
			all[i].Ports = append(all[i].Ports, 1+k)
		}
	}
	for _, own := range all {
		c, err := s.Store(s.Program).Command(own, all)
		if err != nil {
			return err
		}
		for name := range c.Files {
			if name == "" || path.Base(name) != name || name == "data" || bytes.HasPrefix([]byte(name), []byte(".")) {
				return fmt.Errorf("files: %q: give a name without a folder, and not data", name)
			}
		}
	}
	return nil
}
