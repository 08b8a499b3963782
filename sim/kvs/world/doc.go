// Package world is a simulated cluster of kvs, but for the judgement on it: nodes as machines, clients, an operator,
// what faults may take from disks, and what a run still waits for at its end. It sees every disk, and tells the
// checkers of what it sees in events of its own (replica.go). It judges only that nodes start and store what can be
// read.
//
// Begin with world.go (what is known of a run), machine.go (how a node is started), client.go and call.go (what clients
// do), disks.go (what is on the disks) and loss.go (what may be lost).
package world
