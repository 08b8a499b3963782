// Package host runs one node in the real world: it gives the pure core time, randomness, messages, client requests and
// finished fsyncs, and carries out the effects that the core hands back.
//
// One goroutine, the loop, owns the core; everything else talks to it through bounded queues. Eventual reads and
// listings do not pass through it. It is not the place for decisions about data: those are node's.
//
// Begin with host.go (Start puts the rooms together), then loop.go (the one goroutine), requests.go (how clients reach
// it), peers.go (how other members do), disk.go and stop.go.
package host
