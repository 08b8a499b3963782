// Package ring keeps what a node/recorder records, on disk, within a bound: a folder of segments, of which the oldest
// is dropped for the newest.
//
// A Ring is the recorder's sink. It takes records into memory, and a goroutine of its own writes them to the file
// within a tenth of a second, so that the node never waits for the disk; nothing is synced. If the disk is too slow,
// records are refused, and the recorder begins another segment later. If the disk is full or fails, recording ends for
// this run of the process, and the node goes on. A process that is killed loses what was not yet written; at the end of
// a segment may be half a record, which every reader drops by its checksum.
//
// The files are called SEGMENT-NUMBER, and hold records in the format of node/recorder, each file from its head on.
// Numbers grow over all runs of the process. Only one Ring may use a folder; Cut reads the folder of a node that does
// not run.
//
// Begin with Open and Ring.Cut.
package ring
