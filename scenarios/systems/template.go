package systems

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	texts "text/template"

	"kvs/chaos"
)

// template is a text with places for what a node has.
type template struct{ t *texts.Template }

// namedTemplate is one with a name: of a variable, or of a file.
type namedTemplate struct {
	name string
	template
}

func compile(text string) (template, error) {
	t, err := texts.New("").Parse(text)
	return template{t}, err
}

func (t template) fill(p place) (string, error) {
	var b strings.Builder
	err := t.t.Execute(&b, p)
	return b.String(), err
}

// place is what the templates of a file may name: {{.Name}}, {{.Listen "client"}} and so on.
type place struct {
	Number     int    // from 1.
	Name       string // "n1".
	Host       string // on which it listens.
	FrontHost  string // at which the others reach it.
	Dir, Data  string // its folders for files of configuration, and for data.
	All        []place
	portNames  []string
	portNumber []int
}

func (s *System) place(own chaos.Place, all []chaos.Place) place {
	one := func(p chaos.Place) place {
		return place{Number: p.Number, Name: p.Name, Host: p.Host, FrontHost: p.Front, Dir: p.Dir, Data: p.Data,
			portNames: s.ports, portNumber: p.Ports}
	}
	out := one(own)
	for _, p := range all {
		out.All = append(out.All, one(p))
	}
	return out
}

// Port is the number of a port.
func (p place) Port(name string) (int, error) {
	i := slices.Index(p.portNames, name)
	if i < 0 {
		return 0, fmt.Errorf("there is no port %q: ports has %s", name, strings.Join(p.portNames, ", "))
	}
	return p.portNumber[i], nil
}

// Listen is the address, host:port, on which the node listens.
func (p place) Listen(port string) (string, error) { return p.at(p.Host, port) }

// Front is the address at which the other nodes reach it, through the faults of the network.
func (p place) Front(port string) (string, error) { return p.at(p.FrontHost, port) }

func (p place) at(host, port string) (string, error) {
	n, err := p.Port(port)
	return net.JoinHostPort(host, strconv.Itoa(n)), err
}

// First reports whether it is node 1.
func (p place) First() bool { return p.Number == 1 }

// Others are all nodes but this one.
func (p place) Others() []place {
	return slices.DeleteFunc(slices.Clone(p.All), func(o place) bool { return o.Number == p.Number })
}
