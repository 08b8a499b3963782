// Package docker runs a cluster of kvs nodes in Docker containers and does to it what a fault plan says: it is a
// chaos.Target over real processes, a real network and real disks.
//
// Nodes have fixed addresses in a network of their own, their data on named volumes, and REST on loopback ports that
// stay the same through restarts. Processes are killed, paused and started by the engine; the network is cut by rules
// in the raw table of the host, so the packets of connections that exist are hit, too. The tester's own requests come
// from the network's gateway and are never cut. Delays need no netem: the rules hand packets to a queue of the kernel,
// and this process lets each go when its time has come; should it end before, the kernel lets everything pass.
//
// Clocks are wrong in so far as a node believes a file that says so: containers share the machine's clock.
//
// A cluster with small disks has its data on file systems in memory, which can be filled.
//
// It is not a model of disks that lose power: a killed process leaves everything it wrote to the kernel. And it is not
// for engines on another machine: the rules are made here, as root.
//
// Everything it makes is labelled with the process that made it. Close removes it; what a process left that is gone is
// found and removed when the next cluster starts.
//
// Begin with Start in cluster.go, then faults.go (what each fault does), rules.go and delay.go (the network), disks.go
// and leftovers.go.
package docker
