// Package shrink makes a failing scenario as small as it can while it still fails in the same way.
//
// It is delta debugging (Zeller, Hildebrandt: Simplifying and Isolating Failure-Inducing Input, IEEE TSE 2002, section
// 3): parts are left out in chunks, from all of them down to single ones, and a candidate that still fails replaces the
// scenario. Parts are, in turn: time, faults, clients, nodes, rates of the world, single operations, and promises that
// do not break. Operations are named by client and number, so that those that are left stay what they were.
// Simplifications that draw the whole run anew, such as one node fewer, are tried with a few other seeds as well: the
// same bug may show in another run of the same small world.
//
// It does not run scenarios or define failure itself: Options.Test does. Begin with Shrink.
package shrink
