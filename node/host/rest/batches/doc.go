// Package batches does many operations for one request: a batch of reads and writes, the deletion of everything below a
// directory, and the count of what is there.
//
// A batch is not atomic: each operation is checked, run and answered on its own, as if it had been sent alone. Those of
// one path run in the order of the batch, those of different paths at the same time, so that their writes share syncs
// of the disk. The package knows neither HTTP nor credentials: a Door runs single operations and decides about rights.
//
// Begin with Run in run.go; parse.go reads bodies, operation.go checks one operation, tree.go deletes and counts.
package batches
