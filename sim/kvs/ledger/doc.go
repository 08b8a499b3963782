// Package ledger is the simulator's own record of the writes of kvs' clients, and of their outcomes. It has no access
// to nodes and disks: the checkers compare those with it.
package ledger
