// Package kvs is kvs as a system of the simulator. It combines two packages: world, which starts nodes, has clients and
// an operator, and reads every disk; and checks, with one promise in each file.
//
// Neither is a model of the node: they contain no copy of its logic, except the independent implementations in the
// checkers.
//
// Begin with world/world.go and checks/checks.go. The tests of this package run whole scenarios.
package kvs
