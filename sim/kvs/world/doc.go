// Package world is a simulated cluster of kvs without its checkers: nodes as machines, clients, an operator, the rules
// for faults of disks, and the conditions for the end of a run. It reads every disk, and raises events of its own for
// the checkers (replica.go). It judges only that nodes start and store readable records.
//
// Begin with world.go (the state of a run), machine.go (how a node is started), client.go and call.go (the clients),
// disks.go (the content of the disks) and loss.go (what may be lost).
package world
