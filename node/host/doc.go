// Package host runs one node in the real world: it gives the pure core time, randomness, messages, client requests and
// finished fsyncs, and carries out the effects that the core hands back.
//
// One goroutine, the loop, owns the core; all other goroutines reach it through bounded queues. Eventual reads and
// listings do not pass through it. It makes no decisions about data: node does.
//
// Begin with host.go (Start assembles the parts), then loop.go (the one goroutine), requests.go (requests of clients),
// peers.go (messages of other members), disk.go and stop.go.
package host
