package node

import (
	"fmt"
	"strings"
)

// Bounds of what FrameDetail says: a page of a recorded run has many frames.
const (
	detailItemsMax = 4
	detailPathMax  = 60
)

// FrameDetail says in words what a frame is about, for people who look at a recorded run: paths, versions, ballots, and the number
// that an answer has in common with its question. It is empty for frames of kinds that have none of these, and for what cannot be decoded.
// It does not look at the seal.
func FrameDetail(frame []byte) string {
	if len(frame) < envelopeBytes || frame[0] != wireVersion {
		return ""
	}
	kind, body := msgKind(frame[1]), frame[envelopeHeader:len(frame)-4]
	for _, describe := range [...]func(msgKind, []byte) (string, error){detailOfRecords, detailOfQuorum, detailOfRound, detailOfVersions, detailOfEpoch} {
		if out, err := describe(kind, body); err != nil || out != "" {
			if err != nil {
				return ""
			}
			return out
		}
	}
	return ""
}

func detailOfRecords(kind msgKind, body []byte) (string, error) {
	switch kind {
	case msgReplicate:
		m, err := decodeReplicate(body)
		return fmt.Sprintf("batch %d: %s", m.seq, detailOfEntries(m.entries)), err
	case msgReplicateAck:
		seq, err := decodeReplicateAck(body)
		return fmt.Sprintf("batch %d", seq), err
	case msgPage:
		m, err := decodePage(body)
		return fmt.Sprintf("page %d: %s", m.seq, detailOfEntries(m.entries)), err
	case msgCatchSlots:
		m, err := decodeCatchSlots(body)
		return fmt.Sprintf("round %d: %s", m.seq, detailOfEntries(m.entries)), err
	case msgSyncPull:
		paths, err := decodeSyncPull(body)
		return detailOfPaths(paths), err
	case msgCatchPull:
		round, paths, err := decodeCatchPull(body)
		return fmt.Sprintf("round %d: %s", round, detailOfPaths(paths)), err
	}
	return "", nil
}

func detailOfQuorum(kind msgKind, body []byte) (string, error) {
	switch kind {
	case msgStore:
		m, err := decodeStore(body)
		return fmt.Sprintf("operation %d, epoch %d: %s", m.op, m.epoch, detailOfSlot(m.path, m.record)), err
	case msgFetched:
		m, err := decodeFetched(body)
		return fmt.Sprintf("operation %d, epoch %d: %s", m.op, m.epoch, detailOfSlot(m.path, m.record)), err
	case msgStored:
		op, epoch, err := decodeStored(body)
		return fmt.Sprintf("operation %d, epoch %d", op, epoch), err
	case msgFetch:
		m, err := decodeFetch(body)
		return fmt.Sprintf("operation %d, epoch %d: %s", m.op, m.epoch, detailOfPath(m.path)), err
	}
	return "", nil
}

func detailOfRound(kind msgKind, body []byte) (string, error) {
	switch kind {
	case msgLook:
		q, err := decodePrepare(body)
		return fmt.Sprintf("round %d, epoch %d: %s", q.round, q.epoch, detailOfPath(q.path)), err
	case msgPrepare:
		q, err := decodePrepare(body)
		return fmt.Sprintf("round %d: %s under ballot %s", q.round, detailOfPath(q.path), q.ballot), err
	case msgAccept:
		q, c, err := decodeAccept(body)
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("round %d: %s under ballot %s", q.round, detailOfVersion(q.path, c.Record.Version(), c.Record.Tombstone), q.ballot), nil
	case msgPromised:
		a, err := decodePromised(body)
		if !a.ok {
			return fmt.Sprintf("round %d: refused, ballot %s was promised", a.round, a.promised), err
		}
		if a.record == nil {
			return fmt.Sprintf("round %d: holds nothing", a.round), err
		}
		return fmt.Sprintf("round %d: holds %d bytes", a.round, len(a.record)), err // which only who knows the path can read.
	case msgAccepted:
		a, err := decodeAccepted(body)
		if !a.ok {
			return fmt.Sprintf("round %d: refused, ballot %s was promised", a.round, a.promised), err
		}
		return fmt.Sprintf("round %d", a.round), err
	}
	return "", nil
}

func detailOfVersions(kind msgKind, body []byte) (string, error) {
	held := func(keys []heldVersion) string {
		return detailOfList(len(keys), func(i int) string { return detailOfPath(keys[i].path) + " at " + keys[i].TS.String() })
	}
	switch kind {
	case msgLeafAnswer:
		m, err := decodeLeafAnswer(body)
		return held(m.keys), err
	case msgCatchKeys:
		m, err := decodeCatchKeys(body)
		return fmt.Sprintf("round %d: %s", m.round, held(m.keys)), err
	case msgGoneAsk:
		m, err := decodeGoneAsk(body)
		return fmt.Sprintf("round %d: %s", m.round, held(m.paths)), err
	case msgGoneAnswer:
		m, err := decodeGoneAnswer(body)
		return fmt.Sprintf("round %d: stamps up to %d, fence %s", m.round, m.upTo, m.fence), err
	case msgGoneWord:
		m, err := decodeGoneWord(body)
		return fmt.Sprintf("fence %s: %s", m.fence, held(m.paths)), err
	}
	return "", nil
}

func detailOfEpoch(kind msgKind, body []byte) (string, error) {
	switch kind {
	case msgEpoch, msgPassedAsk, msgPassedIs, msgAdoptedAsk, msgAdoptedIs:
		epoch, err := decodeEpoch(body)
		return fmt.Sprintf("epoch %d", epoch), err
	case msgConfigIs:
		c, err := decodeConfigIs(body)
		if err != nil || c == nil {
			return "", err
		}
		return fmt.Sprintf("epoch %d, voters %v", c.Epoch, c.Voters), nil
	case msgCatchRange:
		m, err := decodeCatchRange(body)
		return fmt.Sprintf("round %d, epoch %d: %d paths from %q to %q", m.round, m.epoch, m.sum.keys, detailOfPath(m.from), detailOfPath(m.to)), err
	}
	return "", nil
}

func detailOfPaths(paths []string) string {
	return detailOfList(len(paths), func(i int) string { return detailOfPath(paths[i]) })
}

func detailOfEntries(entries []entry) string {
	return detailOfList(len(entries), func(i int) string { return detailOfSlot(entries[i].path, entries[i].record) })
}

// detailOfSlot names both halves of a stored slot.
func detailOfSlot(path string, record []byte) string {
	if len(record) == 0 {
		return detailOfPath(path) + " nothing"
	}
	slot, err := DecodeSlot(path, record)
	if err != nil {
		return detailOfPath(path) + " that cannot be read"
	}
	var halves []string
	for i := range slot.Candidates {
		c := &slot.Candidates[i]
		halves = append(halves, detailOfVersion("", Version{TS: slot.TS, UUID: c.UUID}, c.Tombstone))
	}
	if c := slot.Consensus; c.accepted() {
		halves = append(halves, detailOfVersion("", c.Record.Version(), c.Record.Tombstone)+" under ballot "+c.Ballot.String())
	} else if c != nil {
		halves = append(halves, "ballot "+c.Promised.String()+" promised")
	}
	return detailOfPath(path) + " " + detailOfList(len(halves), func(i int) string { return halves[i] })
}

func detailOfVersion(path string, v Version, tombstone bool) string {
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
