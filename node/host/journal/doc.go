// Package journal is an append-only log of records in segments of fixed size, for data that has to be on disk at once.
//
// It is not a store: it does not decode its records. node/host/store uses it in front of one.
//
// # Files
//
// All files are in one folder.
//
//	MARK                       the last acknowledged record, and the last one on the disk of the store behind: mark.go
//	0000000000000007.segment   the records, in the order of the numbers of the segments
//
// A segment is full of zeros on real blocks before the first record goes into it, so that a record needs neither new
// space nor a change of the file's metadata: it costs one fdatasync. A segment that is no longer needed becomes the
// next one, under a new number. Numbers are never used twice, and every record holds the number of its segment: this
// distinguishes it from records of the file's former use.
//
// A segment holds only records, each at a multiple of 8; all numbers are little-endian:
//
//	CRC-32C of the identity of the journal and all that follows, u32; length of the content, u32; number of the
//	segment, u64; sequence number, u64; highest sequence number that was on disk when the record was written, u64;
//	content
//
// # What is torn, and what is damaged
//
// Records have sequence numbers without a gap. A crash keeps any part of the data written since the last sync, so the
// end of a journal may be missing, or have holes. A record that is missing there was never acknowledged, and neither
// were those that follow: they are cut off. If a record was acknowledged and cannot be read, the journal is damaged.
// There are two signs of that:
//
//   - a later readable record states that it was on disk by then;
//   - the mark states it. The mark is written after every sync without a sync of its own: it survives a killed process,
//     and after a loss of power it is at most a second old.
//
// A start never writes after an end that was cut off: it begins a new segment.
//
// # Concurrency
//
// One goroutine appends, one syncs, one prepares and releases; they may be three, and work at the same time.
//
// Begin with Create, Open and Journal.
package journal
