// Package transport carries a node's messages between machines: gossip as UDP datagrams, everything else as frames, many to a
// POST over a kept-alive connection to each peer.
//
// It promises no delivery. What does not fit into a bounded queue, or was on its way when a connection broke, is dropped and
// counted; the core sends again what matters. A frame is never delivered twice. It knows nothing of what a message says, and
// does not serve HTTP: node/host/rest receives the batches and hands them to DecodeBatch.
//
// Begin with batch.go (what travels), then frames.go and sender.go (one goroutine a peer), datagrams.go and resolver.go.
package transport
