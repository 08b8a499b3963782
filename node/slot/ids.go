package slot

import (
	"encoding/binary"
	"kvs/node/codec"
	"slices"
)

// Sets of members: sorted IDs, each once.

// InsertID returns the set with id in it; it may write to the memory of ids.
func InsertID(ids []ID, id ID) []ID {
	i, known := slices.BinarySearch(ids, id)
	if known {
		return ids
	}
	return slices.Insert(ids, i, id)
}

// IDStrings is for people.
func IDStrings(ids []ID) []string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = id.String()
	}
	return out
}

// AppendIDs appends a count and the IDs.
func AppendIDs(b []byte, ids []ID) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(len(ids)))
	for _, id := range ids {
		b = binary.LittleEndian.AppendUint64(b, uint64(id))
	}
	return b
}

// ReadIDs reads sorted IDs, none of them zero; others fail the reader.
func ReadIDs(r *codec.Reader, countMax int) []ID {
	count := r.Count(countMax, 8)
	var out []ID
	for range count {
		id := ID(r.U64())
		if k := len(out); id == 0 || k > 0 && out[k-1] >= id {
			r.Fail()
		}
		out = append(out, id)
	}
	return out
}
