// Package systems reads the files that say how the nodes of a store are started for kvsim live: any store, to be put
// under the same plans as kvs. Such a file names the program, its command line with places for addresses and folders,
// when a node is ready, and the driver that speaks to the store. Some files are shipped: Names.
//
// It starts nothing: a target of kvs/chaos does, and kvs/scenarios/live runs the scenario and judges the history.
//
// Begin with system.go; docs/how-to/other-stores.md has a file line by line.
package systems
