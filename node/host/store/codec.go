package store

import (
	"encoding/binary"
	"errors"

	"kvs/node"
)

// A batch in the journal: version of this format (1), number of changes uvarint, and for each of them the length of the
// key uvarint, the key, the length of the value plus one uvarint (zero: the key is deleted), the value. An unknown
// version is refused: the record's checksum was right, so a newer kvs has written it.
const batchVersion = 1

var errBatch = errors.New("a record of the journal holds something that this version of kvs does not read")

func appendBatch(b []byte, changes []node.Change) []byte {
	b = append(b, batchVersion)
	b = binary.AppendUvarint(b, uint64(len(changes)))
	for i := range changes {
		c := &changes[i]
		b = binary.AppendUvarint(b, uint64(len(c.Key)))
		b = append(b, c.Key...)
		if c.Value == nil {
			b = binary.AppendUvarint(b, 0)
			continue
		}
		b = binary.AppendUvarint(b, uint64(len(c.Value))+1)
		b = append(b, c.Value...)
	}
	return b
}

// batchBytesMost is no less than what appendBatch appends.
func batchBytesMost(changes []node.Change) int64 {
	sum := int64(1 + binary.MaxVarintLen64)
	for i := range changes {
		sum += int64(len(changes[i].Key)+len(changes[i].Value)) + 2*binary.MaxVarintLen64
	}
	return sum
}

// readBatch calls fn for each change. The value is only valid during the call.
func readBatch(b []byte, fn func(key string, value []byte)) error {
	if len(b) == 0 || b[0] != batchVersion {
		return errBatch
	}
	b = b[1:]
	count, ok := readLength(&b)
	for range count {
		var key, value []byte
		var n uint64
		if n, ok = readLength(&b); !ok || n > uint64(len(b)) {
			return errBatch
		}
		key, b = b[:n], b[n:]
		if n, ok = readLength(&b); !ok || n > uint64(len(b))+1 {
			return errBatch
		}
		if n > 0 {
			value, b = b[:n-1:n-1], b[n-1:]
		}
		fn(string(key), value)
	}
	if !ok || len(b) > 0 {
		return errBatch
	}
	return nil
}

func readLength(b *[]byte) (uint64, bool) {
	n, size := binary.Uvarint(*b)
	if size <= 0 {
		return 0, false
	}
	*b = (*b)[size:]
	return n, true
}
