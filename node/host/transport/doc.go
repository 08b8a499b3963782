// Package transport carries a node's messages between machines: gossip as UDP datagrams, everything else as frames, on
// one long-lived connection to each peer, which becomes a stream by an upgrade of its first POST. A peer of an older
// version, without streams, gets only POSTs.
//
// It does not guarantee delivery. Frames that do not fit into a bounded queue, or were in flight when a connection
// broke, are dropped and counted; the core sends again what matters. A frame is never delivered twice. The package does
// not decode messages, and does not serve HTTP: node/host/rest receives the batches, for DecodeBatch, and the upgraded
// connections, for Receive.
//
// Begin with stream.go and batch.go (the formats), then frames.go and sender.go (one goroutine for each peer),
// receive.go, datagrams.go and resolver.go.
package transport
