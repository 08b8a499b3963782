// Command leasesim runs the lease service in the simulator: see the README of kvs/sim/examples/lease.
package main

import (
	"kvs/sim/examples/lease"
	"kvs/sim/simcmd"
)

func main() {
	simcmd.Main(simcmd.System{System: lease.System{}, Scenarios: lease.Scenarios, Default: "swarm",
		Mutants: &simcmd.Mutants{
			List: lease.Mutants, Module: "kvs", Package: "./sim/examples/lease/leasesim",
		}})
}
