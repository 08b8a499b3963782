// Package shrink makes a scenario that fails as small as it can while it fails the same way.
//
// It is delta debugging (Zeller, Hildebrandt: Simplifying and Isolating Failure-Inducing Input, IEEE TSE 2002, section
// 3): parts are left out in chunks, from all of them down to single ones, and whatever still fails replaces what there
// was. Parts are, in turn: time, faults, clients, nodes, rates of the world, single operations, and promises that do
// not break. Operations are named by client and number, so that those that are left stay what they were.
// Simplifications that draw the whole run anew, such as one node fewer, are tried with a few other seeds as well: in
// another run of the same small world the same bug shows.
//
// It runs nothing itself, and does not know what failing is: Options.Test does. Begin with Shrink.
package shrink
