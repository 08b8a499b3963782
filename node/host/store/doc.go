// Package store is the node.Store of production: a journal in front of Badger.
//
// It does no grouping (node/host/committer does), and it knows nothing of records, which carry their own checksums.
//
// # How a batch travels
//
//  1. Write puts the batch into the journal as one record (node/host/journal).
//  2. Sync brings the journal to the disk, one fdatasync for all that was written, and shows the batches to readers:
//     they go into the memory table. Write may go on meanwhile.
//  3. When the memory table has grown, or the journal, it is frozen, and a new one takes its place. Flushing writes
//     the frozen one into Badger (node/host/badgerstore), in order, without a sync, and what was overwritten in
//     between not at all; then Badger is synced, once, and the journal is told that it need not keep what is there.
//
// Readers look into the memory table, the frozen one, and Badger, in this order.
//
// # After a crash
//
// Open replays what the journal holds and Badger need not have. Badger may have some of it: to write it again is of no
// harm. A batch is one record of the journal, and a record is there or not: no part of a batch ever is.
//
// # What is bounded
//
// The memory tables together hold at most twice Options.MemoryBytes and one batch; the journal holds at most twice
// Options.JournalBytes and one batch. Write waits for the flushing when it is behind. When the disk is so full that
// Badger takes nothing, Write refuses, with an error that wraps badgerstore.ErrRefused, and what is in the journal
// waits there.
//
// Begin with Open and Options.
package store
