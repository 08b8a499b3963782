// Package store is the node.Store of production: a journal in front of Badger.
//
// It does not group persists (node/host/committer does), and it does not decode records, which carry their own
// checksums.
//
// # How a batch travels
//
//  1. Write puts the batch into the journal as one record (node/host/journal).
//  2. Sync makes the journal durable, with one fdatasync for all that was written, and shows the batches to readers: it
//     puts them into the memory table. Write may go on meanwhile.
//  3. When the memory table or the journal has grown, the table is frozen, and a new one takes its place. Flushing
//     writes the frozen one into Badger (node/host/badgerstore), in the order of its keys, without a sync, and without
//     overwritten values; then Badger is synced, once, and the journal drops the records that Badger has.
//
// Readers search the memory table, the frozen one, and Badger, in this order.
//
// # After a crash
//
// Open replays the records of the journal that Badger may lack. Badger may have some of them: writing them again does
// no harm. A batch is one record of the journal, and a record is there or not: a batch is never there in part.
//
// # What is bounded
//
// The memory tables together hold at most twice Options.MemoryBytes and one batch; the journal holds at most twice
// Options.JournalBytes and one batch. Write waits when the flushing is behind. When the disk is so full that Badger
// takes nothing, Write refuses, with an error that wraps badgerstore.ErrRefused, and the records in the journal wait
// there.
//
// Begin with Open and Options.
package store
