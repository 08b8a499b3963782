// Package explore runs all orders in which the messages of a few client operations can arrive, in a small cluster of
// any system: a bounded exhaustive search beside the random one of package sim, over the same machines, disks and
// network (sim.Stage).
//
// The steps from a state are: a message arrives, a client's request arrives, a disk has made its persists durable, a
// machine wakes up, a process crashes and starts again. Each execution is run from the beginning (a stateless search:
// Godefroid, "Partial-Order Methods for the Verification of Concurrent Systems", 1996, chapter 2), and given up when it
// reaches a state from which another one has been run. Steps at different members commute, since a machine is a
// function of its own inputs in their order; so the state does not depend on the order of those steps. A machine may
// define its state itself (sim.Stater): then more states are equal.
//
// A system needs nothing but a Space to be explored: its clients draw the operations. A system that can tell more, such
// as which messages are background traffic, has a Cluster that is a Guide.
//
// Left out on purpose: messages are not duplicated, nor lost for good (a lost message is one that arrives last), clocks
// move only when a machine wakes up, and only checkers that are Staters take part. After the last step of an execution
// a Guide may ask for more, such as reads at all members, and the history is judged by package linearize.
//
// Begin with guide.go and scope.go.
package explore
