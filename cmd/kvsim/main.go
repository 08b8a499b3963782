// Command kvsim runs simulations of a kvs cluster, and judges histories.
//
// Most of its commands are those of every simulated system: see kvs/sim/simcmd. Those that only kvs has are here:
// `live`, `systems` and `compare` for real nodes, and `service`. It contains no logic of the simulation: see package
// sim. Exit codes: 0 all promises held, 1 some did not, 2 the command could not do what it was asked.
package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"kvs/cmd/version"
	"kvs/scenarios"
	"kvs/sim/kvs"
	"kvs/sim/kvs/explored"
	"kvs/sim/mutants/list"
	"kvs/sim/simcmd"
)

func main() { app.Main() }

var app = &simcmd.App{
	Program: "kvsim",
	Short:   "Simulated lifetimes of a kvs cluster",
	Long: `kvsim runs the real node code in a virtual world that one seed draws: network, clocks, disks, faults and
clients.

Exit codes: 0 all promises held, 1 some did not, 2 the command could not do what it was asked.`,
	Version: version.Read().String(),
	Systems: []simcmd.System{{
		System: kvs.System{}, Scenarios: scenarios.Library, Default: "swarm",
		Mutants: &simcmd.Mutants{List: list.Files, Module: "kvs", Package: "./cmd/kvsim"},
		Explore: explored.Space(),
	}},
	Commands: func(t *simcmd.Tools) []*cobra.Command {
		return []*cobra.Command{newServiceCommand(t.IO), newReliveCommand(t.IO), newLiveCommand(t),
			newSystemsCommand(t.IO), newCompareCommand(t), newStormCommand(t.IO), newVersionCommand(t.IO)}
	},
	Replay: func(e *simcmd.Experiment, seed uint64) string {
		cmd := fmt.Sprintf("make sim SEED=%d SCENARIO=%s", seed, e.Scenario)
		if flags := e.RunFlags(); len(flags) > 0 {
			cmd += fmt.Sprintf(" SIMFLAGS='%s'", strings.Join(flags, " "))
		}
		return cmd
	},
}
