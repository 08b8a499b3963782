// Package kvs is kvs as a system of the simulator. It puts two rooms together: world, which starts nodes, has clients
// and an operator, and knows what is true of every disk; and checks, one promise a file.
//
// Neither is a model of the node: they contain no copy of its logic but the second opinions of the checkers.
//
// Begin with world/world.go and checks/checks.go. The tests of this package run whole scenarios.
package kvs
