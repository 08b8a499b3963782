// Package archive is the format of exports and backups: the values of a cluster as a stream of compressed blocks.
//
// It reads and writes streams, and knows no cluster. Begin with Writer in writer.go and Reader in reader.go; Resume
// goes on with a file that was cut off.
//
// # Format 1
//
// A file begins with the eight bytes of magic, of which the last is the number of the format. Blocks follow:
//
//	| bytes | what |
//	|---|---|
//	| 1 | kind: 'H' head, 'V' values, 'E' end |
//	| 4 | length of the content as it is stored, little endian |
//	| 4 | length of the content when it is unpacked |
//	| 4 | CRC-32C of the nine bytes before and of the stored content |
//	| n | content, compressed by zstd (RFC 8878), one frame |
//
// The head is one JSON document (Head). A block of values has one JSON document (api.Entry) a line, in byte order of
// the paths, also across blocks. The end is one JSON document (End) with the number of values and the SHA-256 of the
// unpacked contents of all blocks before it; behind it comes nothing. A file without an end is not whole.
//
// A reader refuses formats that it does not know, ignores members of documents that it does not know, and names the
// place of any damage: the number of the block, its offset, and the last path before it.
package archive
