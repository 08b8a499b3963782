// Command raftsim runs clusters of etcd's raft library in the simulator: see kvs/sim/simcmd for its commands.
package main

import (
	"fmt"

	raft "kvs/sim/examples/raft"
	"kvs/sim/simcmd"
)

func main() {
	app := simcmd.App{
		Program: "raftsim",
		Short:   "Simulated lifetimes of clusters of etcd's raft library",
		Systems: []simcmd.System{raft.Tools()},
		Replay: func(e *simcmd.Experiment, seed uint64) string {
			return fmt.Sprintf("make -C sim/examples/raft sim SEED=%d SCENARIO=%s", seed, e.Scenario)
		},
	}
	app.Main()
}
