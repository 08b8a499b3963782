// Command kvsim runs whole cluster lifetimes in the simulator, and judges histories.
//
// `run` lives one seed and says what it drew, what broke and how to see it again; `soak` lives many in worker processes; `replay`
// repeats what a scenario file has kept; `check` judges a saved history; `scenarios` lists what there is to run. The answer goes
// to stdout, commentary to stderr. Exit codes: 0 all promises held, 1 some did not, 2 the question could not be asked.
//
// It holds no logic of the simulation: see package sim. Begin with root.go.
package main

import (
	"os"
	"runtime/debug"
)

// version is set by the linker.
var version = "dev"

// gcPercent tells the collector to be lazy: worlds are small and short. Soak's workers have it from their environment.
const gcPercent = 400

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	os.Exit(execute(os.Args[1:], stdio{in: os.Stdin, out: os.Stdout, err: os.Stderr}))
}
