// Package process applies fault plans to a cluster of local processes: the real program, killed, stopped and started
// with signals, its peer traffic led through relays in this process that cut, delay and lose it.
//
// It is not a sandbox: disks are the machine's own, and faults of them are not supported. A clock is wrong because the
// node reads its error from a file. It needs Linux, where all of 127.0.0.0/8 is this machine: every node listens on an
// address of its own, connects to its peers from it, and advertises the address of its relay. So a relay knows each
// sender by its source address.
//
// Begin with cluster.go; relay.go is the network.
package process
