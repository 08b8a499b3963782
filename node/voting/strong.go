package voting

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"kvs/node/codec"
	"kvs/node/slot"
)

const (
	// StrongPrefixesMax bounds the list.
	StrongPrefixesMax = 64

	rootPrefix = "/" // every path.
)

// CheckStrongPrefixes returns the prefixes sorted, each once. A prefix is a directory: a path and a slash, or "/" for
// everything.
func CheckStrongPrefixes(prefixes []string) ([]string, error) {
	out := slices.Compact(slices.Sorted(slices.Values(prefixes)))
	if len(out) > StrongPrefixesMax {
		return nil, fmt.Errorf("%d strong prefixes: %d are the most; name a directory above some of them", len(out),
			StrongPrefixesMax)
	}
	for _, p := range out {
		directory, isDirectory := strings.CutSuffix(p, "/")
		if p == rootPrefix {
			continue
		}
		if !isDirectory {
			return nil, fmt.Errorf("strong prefix %q: end it with a slash: it names what is below a directory", p)
		}
		if err := slot.CheckPath(directory); err != nil {
			return nil, fmt.Errorf("strong prefix %q: %w", p, err)
		}
	}
	return out, nil
}

// CoveredBy reports whether one of the prefixes covers a path: its writes are run linearizably.
func CoveredBy(prefixes []string, path string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool { return p == rootPrefix || strings.HasPrefix(path, p) })
}

// appendStrong appends what readStrongPrefixes reads.
func appendStrong(b []byte, prefixes []string) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(len(prefixes)))
	for _, p := range prefixes {
		b = codec.AppendString(b, p)
	}
	return b
}

// readStrongPrefixes reads what appendStrong wrote.
func readStrongPrefixes(r *codec.Reader) (out []string) {
	for range r.Count(StrongPrefixesMax, 3) {
		out = append(out, string(r.Take(int(r.U16()))))
	}
	if sorted, err := CheckStrongPrefixes(out); err != nil || len(out) == 0 || !slices.Equal(sorted, out) {
		r.Fail()
	}
	return out
}
