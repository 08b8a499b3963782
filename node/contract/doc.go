// Package contract is the interface between a node and the world around it: inputs and requests on one side, effects,
// replies and counters on the other, and the store that a node reads from. It has no behaviour beyond that of these
// values.
//
// Package node re-exports all of it (node/door.go); only the packages below node import contract itself. Begin with
// Input and Effects.
package contract
