// Package contract is what a node and the world around it say to each other: inputs and requests on one side, effects,
// replies and counters on the other, and the store that a node reads from. It holds no behaviour but what belongs to
// these values.
//
// node names all of it at its door; only the rooms inside of node import contract itself. Begin with Input and Effects.
package contract
