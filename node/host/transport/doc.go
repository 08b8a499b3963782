// Package transport carries a node's messages between machines: gossip as UDP datagrams, everything else as frames, on
// one long-lived connection to each peer, which becomes a stream by an upgrade of its first POST. A peer of a version
// before streams gets POSTs alone.
//
// It promises no delivery. What does not fit into a bounded queue, or was on its way when a connection broke, is
// dropped and counted; the core sends again what matters. A frame is never delivered twice. It knows nothing of what a
// message says, and does not serve HTTP: node/host/rest receives the batches, for DecodeBatch, and the upgraded
// connections, for Receive.
//
// Begin with stream.go and batch.go (what travels), then frames.go and sender.go (one goroutine a peer), receive.go,
// datagrams.go and resolver.go.
package transport
