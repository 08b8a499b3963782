// Package recorder writes down what the core of a node was given: the time, each input, what it read from its store,
// and the state of its randomness; and in short, what it answered: its effects. Package kvs/node/relive runs the same
// core over that again.
//
// A Recorder stands between a world and its node.Node. It writes segments. A segment begins with a head, which has an
// image of the node's whole state (node.Image), so that a segment is all that is needed to begin: a ring may drop the
// segments before it. Where segments are kept is the business of a Sink; node/host/ring keeps them on disk.
//
// The recorder itself reads no clock and writes no file. The format is a table in format.go.
//
// Begin with Recorder.
package recorder
