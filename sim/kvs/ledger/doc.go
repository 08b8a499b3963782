// Package ledger is the simulator's own account of what the clients of kvs have asked for, and of what became of it. It
// knows nothing of nodes and disks: the checkers compare those with it.
package ledger
