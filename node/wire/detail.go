package wire

import (
	"fmt"
	"strings"

	"kvs/node/slot"
)

// Descriptions of messages in words, for people who read a recorded run. Only the simulator and tests use them.

// Bounds of a description: a page of a recorded run has many frames.
const (
	detailItemsMax = 4
	detailPathMax  = 60
)

// FrameDetail describes a frame in words, for people who read a recorded run: paths, versions, ballots, and the number
// that an answer has in common with its question. It is empty for kinds that have none of these, and for frames that
// cannot be decoded. It does not check the seal.
func FrameDetail(frame []byte) string {
	if len(frame) < EnvelopeBytes || frame[0] != Version {
		return ""
	}
	m, err := Kind(frame[1]).Decode(frame[HeaderBytes : len(frame)-4])
	if err != nil {
		return ""
	}
	return m.Describe()
}

func detailOfPaths(paths []string) string {
	return detailOfList(len(paths), func(i int) string { return detailOfPath(paths[i]) })
}

func detailOfEntries(entries []Entry) string {
	return detailOfList(len(entries), func(i int) string { return detailOfSlot(entries[i].Path, entries[i].Record) })
}

// detailOfSlot names both halves of a stored slot.
func detailOfSlot(path string, record []byte) string {
	if len(record) == 0 {
		return detailOfPath(path) + " nothing"
	}
	stored, err := slot.Decode(path, record)
	if err != nil {
		return detailOfPath(path) + " that cannot be read"
	}
	var halves []string
	for i := range stored.Candidates {
		c := &stored.Candidates[i]
		halves = append(halves, detailOfVersion("", slot.Version{TS: stored.TS, UUID: c.UUID}, c.Tombstone))
	}
	if c := stored.Consensus; c.Accepted() {
		halves = append(halves, detailOfVersion("", c.Record.Version(), c.Record.Tombstone)+" under ballot "+
			c.Ballot.String())
	} else if c != nil {
		halves = append(halves, "ballot "+c.Promised.String()+" promised")
	}
	return detailOfPath(path) + " " + detailOfList(len(halves), func(i int) string { return halves[i] })
}

func detailOfVersion(path string, v slot.Version, tombstone bool) string {
	what := "version "
	if tombstone {
		what = "tombstone "
	}
	return strings.TrimSpace(detailOfPath(path) + " " + what + v.ETag())
}

func detailOfPath(path string) string {
	if len(path) > detailPathMax {
		return path[:detailPathMax] + "..."
	}
	return path
}

// detailOfList joins the first of n items, and counts the rest.
func detailOfList(n int, item func(i int) string) string {
	if n == 0 {
		return "nothing"
	}
	var out []string
	for i := range min(n, detailItemsMax) {
		out = append(out, item(i))
	}
	if n > detailItemsMax {
		out = append(out, fmt.Sprintf("and %d more", n-detailItemsMax))
	}
	return strings.Join(out, ", ")
}

func detailOfVersions(keys []HeldVersion) string {
	return detailOfList(len(keys), func(i int) string {
		return detailOfPath(keys[i].Path) + " at " + keys[i].TS.String()
	})
}
