// Package recipe has what people build on a cluster of kvs: a lease with a heartbeat, a lock with a fencing token, the
// election of a leader, and a counter.
//
// Each recipe is made of linearizable operations of node/client on one or two paths, so any number of programs on any
// machines may use it at once, through any members. No clock is compared with another one. A holder stops early by its
// own monotonic clock, and a member ends a lease late by its own, so the clocks need only run at about the same speed.
//
// # What a lock promises, and what it cannot
//
// At most one lease of a path lasts at a time. But a program may stand still for longer than its lease lasts (a
// garbage collection, a suspended machine, a swapped-out process) and act afterwards, before it notices. No lock
// service can prevent this. So each holder has a fencing token, a number that is higher than those of all holders
// before it. What the lock protects has to refuse a token that is lower than one that it has seen. See Kleppmann, "How
// to do distributed locking" (2016).
//
// # Unknown outcomes
//
// Writes are sent under idempotency keys, and are repeated under the same key until their outcome is known or the
// caller's context ends. So a recipe does a thing once, or says that it does not know.
//
// The client that is passed in should give up one attempt, Options.AttemptTimeout, in a fraction of the lease's time to
// live; otherwise a member that stands still costs the lease.
//
// It is not a queue: waiting programs look again and again, and which of them is next is chance.
//
// Begin with Acquire in lock.go; store.go is what a recipe asks of a cluster.
package recipe
