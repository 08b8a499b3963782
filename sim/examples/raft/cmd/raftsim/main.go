// Command raftsim runs clusters of etcd's raft library in the simulator: see kvs/sim/simcmd for its commands.
package main

import (
	"fmt"
	"strings"

	raft "kvs/sim/examples/raft"
	"kvs/sim/simcmd"
)

func main() {
	app := simcmd.App{
		Program: "raftsim",
		Short:   "Simulated lifetimes of clusters of etcd's raft library",
		Systems: []simcmd.System{raft.Tools()},
		Replay: func(e *simcmd.Experiment, seed uint64) string {
			cmd := fmt.Sprintf("make -C sim/examples/raft sim SEED=%d SCENARIO=%s", seed, e.Scenario)
			if flags := e.RunFlags(); len(flags) > 0 {
				cmd += fmt.Sprintf(" SIMFLAGS='%s'", strings.Join(flags, " "))
			}
			return cmd
		},
	}
	app.Main()
}
