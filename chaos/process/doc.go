// Package process applies fault plans to a cluster of local processes: the real program, killed, stopped and started
// with signals, its peer traffic led through relays in this process that cut, delay and lose it.
//
// It is not a sandbox: disks are the machine's own, and faults of them are not supported. Clocks are wrong in so far as
// a node believes a file that says so. It needs Linux, where all of 127.0.0.0/8 is this machine: every node listens on
// an address of its own, calls its peers from it, and advertises the address of its relay. So a relay knows the sender
// of everything by its source address.
//
// Begin with cluster.go; relay.go is the network.
package process
