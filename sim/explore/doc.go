// Package explore walks through all orders in which the messages of a few client operations can arrive, in small clusters of real node
// code: a bounded exhaustive search beside the random one of package sim.
//
// A state is left by one of these steps: a message arrives, a client's request arrives, a disk has made durable what waited for it,
// a node wakes up, a node crashes and starts again. Each execution is lived anew from the beginning (a stateless search:
// Godefroid, "Partial-Order Methods for the Verification of Concurrent Systems", 1996, chapter 2). Steps at different nodes commute,
// since a node is a function of what arrived there, in its order, and has a clock of its own that moves with its steps; sleep sets
// (the same, chapter 5) leave out every order that differs from one lived before only in that.
//
// What is left out, on purpose: failure detection and comparisons do not run while operations are under way, the wall clocks are all the
// same and hardly move, and nothing is duplicated or lost for good (what is lost is what arrives last).
//
// After the last step of an execution every node reads every path linearizably, and the history is judged by package linearize.
package explore
