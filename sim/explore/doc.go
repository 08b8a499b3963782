// Package explore walks through all orders in which the messages of a few client operations can arrive, in a small
// cluster of any system: a bounded exhaustive search beside the random one of package sim, over the same machines,
// disks and network (sim.Stage).
//
// A state is left by one of these steps: a message arrives, a client's request arrives, a disk has made durable what
// waited for it, a machine wakes up, a process crashes and starts again. Each execution is run from the beginning (a
// stateless search: Godefroid, "Partial-Order Methods for the Verification of Concurrent Systems", 1996, chapter 2),
// and given up when it comes to a state that another one has been run from. Steps at different members commute, since a
// machine is a function of what arrived there, in its order; so states are the same, however those steps were ordered.
// What a state is, a machine may say itself (sim.Stater): then more of them are the same.
//
// A system needs nothing but a Space to be explored: its clients draw the operations. One that knows more about itself,
// such as which messages are upkeep, has a Cluster that is a Guide.
//
// What is left out, on purpose: nothing is duplicated or lost for good (what is lost is what arrives last), clocks do
// not move but by waking up, and of the checkers those take part that are Staters themselves. After the last step of
// an execution a Guide may ask for more, such as reads at all members, and the history is judged by package linearize.
//
// Begin with guide.go and scope.go.
package explore
