package slot

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Limits of the data model. A path is UTF-8, its segments joined by "/".
const (
	PathBytesMax        = 1024
	SegmentBytesMax     = 255
	ContentTypeBytesMax = 255
	ValueBytesDefault   = 1 << 20 // a configuration may choose less or more,
	ValueBytesHardMax   = 8 << 20 // but not more than this.
)

// ErrBadPath is wrapped by CheckPath's errors.
var ErrBadPath = errors.New("bad path")

// CheckPath checks that p may name a value: 1 to 1024 bytes of UTF-8, segments of 1 to 255 bytes joined by "/", no
// segment "." or "..", no control character.
func CheckPath(p string) error {
	if isPlain(p) {
		return nil
	}
	return checkAny(p)
}

func checkAny(p string) error {
	switch {
	case p == "":
		return fmt.Errorf("%w: it is empty", ErrBadPath)
	case len(p) > PathBytesMax:
		return fmt.Errorf("%w: %d bytes, the limit is %d", ErrBadPath, len(p), PathBytesMax)
	case !utf8.ValidString(p):
		return fmt.Errorf("%w: not valid UTF-8", ErrBadPath)
	}
	for rest, more := p, true; more; {
		var seg string
		seg, rest, more = strings.Cut(rest, "/")
		if err := checkSegment(p, seg); err != nil {
			return err
		}
	}
	for _, r := range p {
		if r < 0x20 || (r >= 0x7f && r < 0xa0) {
			return fmt.Errorf("%w %q: control character %U", ErrBadPath, p, r)
		}
	}
	return nil
}

// isPlain reports whether p is what nearly all paths are: valid, and of printable ASCII.
func isPlain(p string) bool {
	if len(p) > PathBytesMax {
		return false
	}
	begin := 0 // of the segment.
	for i := 0; i <= len(p); i++ {
		if i < len(p) && p[i] != '/' {
			if p[i] < 0x20 || p[i] >= 0x7f {
				return false
			}
			continue
		}
		if seg := p[begin:i]; seg == "" || seg == "." || seg == ".." || len(seg) > SegmentBytesMax {
			return false
		}
		begin = i + 1
	}
	return true
}

func checkSegment(p, seg string) error {
	switch {
	case seg == "":
		return fmt.Errorf("%w %q: empty segment (a leading, trailing or doubled slash)", ErrBadPath, p)
	case seg == "." || seg == "..":
		return fmt.Errorf("%w %q: segment %q", ErrBadPath, p, seg)
	case len(seg) > SegmentBytesMax:
		return fmt.Errorf("%w: a segment of %d bytes, the limit is %d", ErrBadPath, len(seg), SegmentBytesMax)
	}
	return nil
}

// CheckDirectory checks that d may be listed: "" is the root, any other a path followed by "/".
func CheckDirectory(d string) error {
	if d == "" {
		return nil
	}
	p, ok := strings.CutSuffix(d, "/")
	if !ok {
		return fmt.Errorf("%w %q: a directory ends in a slash", ErrBadPath, d)
	}
	return CheckPath(p)
}
