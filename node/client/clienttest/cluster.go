// Package clienttest starts real nodes for the tests and examples of clients: the program, built once, as processes on
// this machine.
//
// It is not for production, and needs Linux, as chaos/process does. Begin with Main.
package clienttest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync"

	"kvs/chaos/process"
)

// folder is where the program, and the nodes of Endpoint, have their files.
var folder string

// Main runs the tests of a package with run, and removes afterwards what they needed. A TestMain calls it. The program
// is built before, so that no test's own time goes into that.
func Main(run func() int) (code int) {
	dir, err := os.MkdirTemp("", "clienttest")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	folder = dir
	defer func() {
		if one != nil {
			err = one.Close()
		}
		if err := errors.Join(err, os.RemoveAll(dir)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = max(code, 1)
		}
	}()
	if _, err := program(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return run()
}

// program is kvs, built once.
var program = sync.OnceValues(func() (string, error) {
	path := filepath.Join(folder, "kvs")
	cmd := exec.Command("go", "build", "-trimpath", "-o", path, "kvs/cmd/kvs")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build kvs: %w: %s", err, out)
	}
	return path, nil
})

// Start starts a cluster whose nodes have their files in dir. It does not wait until they answer.
func Start(dir string, nodes int) (*process.Cluster, error) {
	kvs, err := program()
	if err != nil {
		return nil, err
	}
	return process.Start(process.Options{Program: kvs, Dir: dir, Nodes: nodes,
		Rand: rand.New(rand.NewPCG(uint64(nodes), uint64(os.Getpid())))})
}

// one is the cluster of Endpoint.
var one *process.Cluster

// Endpoint is the address of a node that runs until Main returns, for examples. Its cluster has no other node.
var Endpoint = sync.OnceValue(func() string {
	c, err := Start(filepath.Join(folder, "one"), 1)
	if err != nil {
		panic("clienttest: " + err.Error()) // an example has no other way to fail.
	}
	one = c
	return c.Endpoints()[0]
})
