package live

import (
	"fmt"
	"sort"
	"strings"

	"kvs/node/api"
	"kvs/scenarios"
)

// promiseKnownValues is judged in every scenario, as in the simulator: a value that is read or listed was written to
// that path, unchanged, and not refused.
const promiseKnownValues = "known-values"

// written is a value that a client has sent to a path.
type written struct {
	bytes   int
	refused bool // its client's answer was that it certainly did not happen.
	seen    bool // a client has read it.
}

// values is all values that clients have sent and seen. Its methods are called with the runner's lock held.
type values struct {
	sent   map[string]map[string]*written // by path and label.
	labels map[string]string              // by path, a space, and ETag: the label of its value.
}

func newValues() values {
	return values{sent: map[string]map[string]*written{}, labels: map[string]string{}}
}

// send records a value before it is sent.
func (v *values) send(path string, value []byte) {
	if v.sent[path] == nil {
		v.sent[path] = map[string]*written{}
	}
	v.sent[path][scenarios.Label(value)] = &written{bytes: len(value)}
}

// refuse records that a value was certainly not written.
func (v *values) refuse(path string, value []byte) {
	v.sent[path][scenarios.Label(value)].refused = true
}

// has records that a path has shown a value under an ETag, or has got it, and returns what is wrong with that.
func (v *values) has(path, etag, label string) (wrong string) {
	before, known := v.labels[path+" "+etag]
	if known && before != label {
		return fmt.Sprintf("%s: version %s is %q, and was %q", path, etag, label, before)
	}
	v.labels[path+" "+etag] = label
	return ""
}

// read returns what is wrong with the value of a read. An agreed read cannot show a proposal that was not chosen.
func (v *values) read(path, etag string, value []byte, agreed bool) (wrong string) {
	label := scenarios.Label(value)
	w := v.sent[path][label]
	switch {
	case w == nil:
		return fmt.Sprintf("%s: a read shows %q, which no client has written there", path, label)
	case w.bytes != len(value):
		return fmt.Sprintf("%s: a read shows %d bytes of %q, which had %d", path, len(value), label, w.bytes)
	}
	w.seen = w.seen || agreed
	return v.has(path, etag, label)
}

// listed returns what is wrong with a page of a directory.
func (v *values) listed(directory string, recursive bool, entries []api.Entry) (wrong string) {
	last := ""
	for _, e := range entries {
		below, inside := strings.CutPrefix(e.Path, directory)
		switch {
		case !inside || below == "" || !recursive && strings.Contains(strings.TrimSuffix(below, "/"), "/"):
			return fmt.Sprintf("the listing of %q shows %s", directory, e.Path)
		case e.Path <= last:
			return fmt.Sprintf("the listing of %q shows %s after %s", directory, e.Path, last)
		case e.Directory && !v.anyBelow(e.Path):
			return fmt.Sprintf("the listing of %q shows the directory %s, below which no client has written", directory,
				e.Path)
		case !e.Directory && v.sent[e.Path] == nil:
			return fmt.Sprintf("the listing of %q shows %s, which no client has written", directory, e.Path)
		}
		last = e.Path
		label, known := v.labels[e.Path+" "+e.ETag]
		if w := v.sent[e.Path][label]; known && w != nil && e.Bytes != nil && *e.Bytes != w.bytes {
			return fmt.Sprintf("the listing of %q shows %d bytes at %s, where %q has %d", directory, *e.Bytes, e.Path,
				label, w.bytes)
		}
	}
	return ""
}

func (v *values) anyBelow(directory string) bool {
	for path := range v.sent {
		if strings.HasPrefix(path, strings.TrimSuffix(directory, "/")+"/") {
			return true
		}
	}
	return false
}

// refusedButSeen are the values that a client has read although their writes were refused.
func (v *values) refusedButSeen() (wrong []string) {
	for path, labels := range v.sent {
		for label, w := range labels {
			if w.refused && w.seen {
				wrong = append(wrong,
					fmt.Sprintf("%s: the write of %q was refused as not done, but a client has read it", path, label))
			}
		}
	}
	sort.Strings(wrong)
	return wrong
}
