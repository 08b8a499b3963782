// Package badgerstore is the store behind the journal of a node's store (node/host/store): Badger v4 in one folder.
// Load takes batches, and Sync makes all of them durable; after a crash the batches up to some moment are there, which
// is not before the last Sync. Apply does both, and makes it a node.Store of its own.
//
// It is not a cache, it does not group persists (node/host/committer does), and it does not decode records, which carry
// their own checksums.
//
// # How Badger is used
//
// Badger runs in managed mode: the store numbers its own transactions, and readers read at the number of the last one
// that is on disk, which Sync moves. So a reader never waits for a running fsync, as it would in Badger's normal mode,
// where a new transaction waits for all commits in flight; and it never sees data that a power cut could still lose,
// although Badger's memtable shows entries before they are synced, even when the sync then fails.
//
// # Keys
//
//	d<key>                        a value, or the head of a large one (user meta 1)
//	c<2 length bytes><key><4>     one chunk of a large value; the last 4 bytes are its number
//	l<key>                        how many chunks a large value has, so that they are found when it is overwritten
//	sformat                       the format of all this; a folder that has lost it was emptied
//	snumber                       the number of the last transaction, in each of them, so that none vanishes unnoticed
//	sintent                       present while a batch of several transactions is being written, see below
//
// # Large values
//
// Badger keeps values above 1 MiB in a separate value log, whatever the options. A failed sync of that log is only
// written to a log file, and damage in it shows as an empty value without an error. So values above 512 KiB are cut
// into chunks and never reach it. A transaction may not exceed 15 % of a memtable; a batch above that is written as
// several transactions, the first of which notes the intent with the number of the last complete one, while the last
// one deletes the note. A note that is found at start means a crash in between, and all changes since are undone.
//
// # What a caller has to know
//
// An Apply that wraps ErrRefused has written nothing and leaves the store usable: too little disk space, or a batch
// beyond all bounds. After any other error the store refuses to write for good, as node.Store says; readers still see
// what was durable before.
//
// A full disk kills a process that uses Badger as it is: its files are sparse and mapped, so the kernel sends SIGBUS
// where other programs get an error. Here they have their blocks before anything is written to them (reserve.go). Nor
// may Badger get an error when it makes a table: it loses data over that. So a table is tried again until it can be
// made (stuck.go). Apply looks at the free space first, Gauge lets the host stop taking writes earlier, and the ballast
// is given up within milliseconds when others fill the disk. A full disk can be opened to be read (noroom.go).
//
// Begin with Open and Options.
package badgerstore
