package raft

import (
	"embed"
	"io/fs"

	"kvs/sim/scenario"
	"kvs/sim/simcmd"
)

//go:embed scenarios
var scenarioFiles embed.FS

//go:embed mutants
var mutantFiles embed.FS

// Scenarios are the named scenarios of this system. Those in the folder known are not among them: they break promises,
// as README.md, "What it found", explains.
func Scenarios() *scenario.Library {
	return &scenario.Library{Files: sub(scenarioFiles, "scenarios"), New: NewSections}
}

// Mutants are the bugs that are planted in the library.
func Mutants() fs.FS { return sub(mutantFiles, "mutants") }

func sub(files fs.FS, dir string) fs.FS {
	inside, err := fs.Sub(files, dir)
	if err != nil {
		panic("raft: an embedded folder is missing: " + err.Error())
	}
	return inside
}

// Library is the module that the mutants edit.
const Library = "go.etcd.io/raft/v3"

// Tools is this system for the command line.
func Tools() simcmd.System {
	return simcmd.System{
		System: System{}, Scenarios: Scenarios(), Default: "swarm",
		Mutants: &simcmd.Mutants{List: Mutants(), Module: "kvs/sim/examples/raft", Package: "./cmd/raftsim",
			Edits: Library},
		Explore: space(),
	}
}
