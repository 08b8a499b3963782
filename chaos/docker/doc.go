// Package docker runs a cluster of kvs nodes in Docker containers and applies a fault plan to it: it is a chaos.Target
// over real processes, a real network and real disks.
//
// Nodes have fixed addresses in a network of their own, their data on named volumes, and REST on loopback ports that
// stay the same through restarts. Processes are killed, paused and started by the engine; the network is cut by rules
// in the raw table of the host, so the packets of connections that exist are hit, too. The tester's own requests come
// from the network's gateway and are never cut. Delays need no netem: the rules hand packets to a queue of the kernel,
// and this process releases each when its time has come; if it ends before, the kernel lets everything pass.
//
// A clock is wrong because the node reads its error from a file: containers share the machine's clock.
//
// A cluster with small disks has its data on file systems in memory, which can be filled.
//
// It is not a model of disks that lose power: a killed process leaves everything it wrote to the kernel. And it is not
// for engines on another machine: the rules are made here, as root.
//
// Everything it makes is labelled with the process that made it. Close removes it; leftovers of a process that is gone
// are found and removed when the next cluster starts.
//
// Begin with Start in cluster.go, then faults.go (what each fault does), rules.go and delay.go (the network), disks.go
// and leftovers.go.
package docker
