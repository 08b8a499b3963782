// Package etags reads lists of entity tags, as the headers If-Match, If-None-Match and If-Range hold them.
//
// It knows nothing of requests and of what the tags mean. Begin with Parse.
package etags

import (
	"errors"
	"fmt"
	"strings"
)

// Parse splits a list of entity tags (RFC 9110 section 8.8.3), each "*", "..." in quotes, or W/"..." if weak.
// Between quotes a comma is a character like any other. Empty elements are skipped (section 5.6.1), but there has to be
// one that is not.
func Parse(list string) ([]string, error) {
	var tags []string
	for rest := strings.TrimLeft(list, " \t,"); rest != ""; rest = strings.TrimLeft(rest, " \t,") {
		n := tagBytes(rest)
		after := strings.TrimLeft(rest[n:], " \t")
		if n == 0 || after != "" && after[0] != ',' {
			return nil, fmt.Errorf(`%.100q is no ETag: write it in quotes, as the header ETag has it: "..."`, rest)
		}
		tags, rest = append(tags, rest[:n]), after
	}
	if len(tags) == 0 {
		return nil, errors.New("it is empty: name ETags, or * for any value")
	}
	return tags, nil
}

// tagBytes is the length of the entity tag that s begins with; zero: it begins with none.
func tagBytes(s string) int {
	if s[0] == '*' {
		return 1
	}
	opaque := strings.TrimPrefix(s, "W/")
	if opaque == "" || opaque[0] != '"' {
		return 0
	}
	end := strings.IndexByte(opaque[1:], '"')
	if end < 0 {
		return 0
	}
	return len(s) - len(opaque) + end + 2
}

// Name reports whether a list of ETags names etag (RFC 9110 section 8.8.3.2); only a weak comparison takes weak tags.
func Name(list, etag string, weak bool) bool {
	for tag := range strings.SplitSeq(list, ",") {
		tag = strings.TrimSpace(tag)
		if weak {
			tag = strings.TrimPrefix(tag, "W/")
		}
		if tag == "*" || tag == etag {
			return true
		}
	}
	return false
}
