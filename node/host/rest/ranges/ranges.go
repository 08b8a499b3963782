// Package ranges reads the header Range of a request (RFC 9110 section 14.2): one range of bytes.
//
// It knows nothing of requests. Begin with Parse.
package ranges

import (
	"errors"
	"strconv"
	"strings"
)

// ErrUnsatisfiable is a range that begins behind the end.
var ErrUnsatisfiable = errors.New("the range begins behind the end of the value")

// Parse reads the header for a value of size bytes, of which [from, to) is asked for. ok is false for what a server may
// ignore, to answer with everything: another unit, several ranges, and what cannot be read.
func Parse(header string, size int) (from, to int, ok bool, err error) {
	spec, isBytes := strings.CutPrefix(strings.TrimSpace(header), "bytes=")
	first, last, found := strings.Cut(spec, "-")
	first, last = strings.TrimSpace(first), strings.TrimSpace(last)
	if !isBytes || !found || first == "" && last == "" {
		return 0, 0, false, nil
	}
	if first == "" { // the last so many bytes.
		n, ok := number(last)
		switch {
		case !ok:
			return 0, 0, false, nil
		case n == 0 || size == 0:
			return 0, 0, false, ErrUnsatisfiable
		}
		return max(size-n, 0), size, true, nil
	}
	from, ok = number(first)
	if !ok {
		return 0, 0, false, nil
	}
	to = size
	if last != "" {
		end, ok := number(last)
		if !ok || end < from {
			return 0, 0, false, nil
		}
		to = min(end, size-1) + 1
	}
	if from >= size {
		return 0, 0, false, ErrUnsatisfiable
	}
	return from, to, true, nil
}

// number reads digits alone. What is beyond any value counts as the largest number.
func number(text string) (int, bool) {
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return 0, false
		}
	}
	const most = 1 << 40
	if len(text) > 12 {
		return most, true
	}
	n, err := strconv.Atoi(text)
	return n, err == nil
}
