package simcmd

import (
	"errors"
	"fmt"
	"io/fs"

	"kvs/sim"
	"kvs/sim/explore"
	"kvs/sim/scenario"
)

// System is a system with the settings of the tools.
type System struct {
	System    sim.System
	Scenarios *scenario.Library
	Default   string // the scenario that commands use when none is named. Default: the first by name.

	Mutants *Mutants // nil: there are none.

	// Explore describes how the system is explored. Its scenario is filled in, and its system, if it has none. Default:
	// the system as it is, without named scopes.
	Explore *explore.Space
}

// Mutants are the bugs that are planted in a system, and how a program with one of them is built. All fields but Edits
// are required.
type Mutants struct {
	List   fs.FS  // the files NAME.mutant: see kvs/sim/mutants.
	Module string // path of the Go module that Package is in; found from the working directory up.
	// what is built: the main package of the program that hunts, from the root of Module, such as "./cmd/kvsim".
	Package string

	// Edits is the path of the module whose files the mutants edit: a library that Module requires. Default: Module
	// itself.
	Edits string
}

// Run runs one drawn scenario of the system, and judges it. Options.System is filled in.
func (s *System) Run(o sim.Options) (*sim.Result, error) {
	o.System = s.System
	return sim.Run(o)
}

func (s *System) name() string { return s.System.Name() }

func (s *System) check() error {
	switch {
	case s.System == nil || s.Scenarios == nil:
		return errors.New("a system of this program is incomplete: System and Scenarios are required")
	case s.Mutants != nil && (s.Mutants.List == nil || s.Mutants.Module == "" || s.Mutants.Package == ""):
		return fmt.Errorf("system %q: its mutants need a list, a module and a package", s.name())
	}
	return nil
}

// DefaultScenario is the name of the scenario that commands use when none is named.
func (s *System) DefaultScenario() string {
	if s.Default != "" {
		return s.Default
	}
	if names := s.Scenarios.Names(); len(names) > 0 {
		return names[0]
	}
	return ""
}
