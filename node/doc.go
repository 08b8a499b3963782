// Package node is one kvs replica as a pure state machine.
//
// A Node never reads a clock, draws ambient randomness, starts a goroutine, opens a file or a socket, or lets map order
// decide anything. Everything that happens to it is an Input handed to Step together with the time; everything it wants
// done comes back in an Effects value: records to persist, messages to send, replies to clients, log lines, and the
// time at which it wants to be woken. node/host runs it on a real machine, sim runs the very same code in a virtual
// one.
//
// Begin with node/contract (inputs and effects), then node.go (Step, the one switch). The shape follows etcd raft's
// RawNode and Ready; unlike there, randomness is injected and every effect names the persist it has to wait for.
//
// It is not a server: it has no HTTP, UDP or Badger.
package node
