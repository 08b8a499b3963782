// Package journal is an append-only log of records in segments of fixed size, for what has to be on disk at once.
//
// It is not a store: it does not know what its records hold. node/host/store puts it in front of one.
//
// # Files
//
// All files lie in one folder.
//
//	MARK                       which records were acknowledged, and which the store behind has on its disk: mark.go
//	0000000000000007.segment   the records, in the order of the numbers of the segments
//
// A segment is full of zeros on real blocks before the first record goes into it, so that a record needs neither new
// space nor a change of the file's metadata: fdatasync is all that it costs. A segment that is not needed any more
// becomes the next one, under a new number. Numbers are never used twice, and every record holds the number of its
// segment: what a former life of the file has left behind is told apart by that.
//
// A segment holds nothing but records, each at a multiple of 8; all numbers are little-endian:
//
//	CRC-32C of the identity of the journal and all that follows, u32; length of the content, u32; number of the
//	segment, u64; sequence number, u64; highest sequence number that was on disk when the record was written, u64;
//	content
//
// # What is torn, and what is damaged
//
// Records have sequence numbers without a gap. A crash keeps any part of what was written since the last sync, so the
// end of a journal may be missing, or have holes. Such a record was never acknowledged, and neither was any that
// follows: they are cut off. It is damage when a record was acknowledged once and cannot be read:
//
//   - a readable record further on says that it was on disk by then;
//   - the mark says so. The mark is written after every sync without a sync of its own: a process that is killed
//     leaves it behind all the same, and a loss of power makes it at most a second older.
//
// A start never writes behind an end that was cut off: it begins a new segment.
//
// # Concurrency
//
// One goroutine appends, one syncs, one prepares and releases; they may be three, and work at the same time.
//
// Begin with Create, Open and Journal.
package journal
