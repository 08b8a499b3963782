package node

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func sampleNode() *Node { return &Node{id: 0xabc, cluster: clusterHash("kvs")} }

// sampleMessages is one sealed message of every kind that this package encodes.
func sampleMessages() map[string][]byte {
	n := sampleNode()
	r := sampleRecord()
	e := []entry{{"a/b", encodeRecord("a/b", &r)}, {"c", encodeRecord("c", &r)}}
	q := question{round: 6, epoch: 2, path: "a/b", ballot: Ballot{2, r.TS + 1, 3}}
	return map[string][]byte{
		"replicate":     n.encodeReplicate(&replicate{seq: 5, entries: e}),
		"replicate-ack": n.encodeReplicateAck(5),
		"tree-ask":      n.encodeTreeAsk(&treeAsk{session: 9, level: 2, digest: 77, nodes: []uint32{3, 255}}),
		"tree-answer":   n.encodeTreeAnswer(&treeAnswer{session: 9, level: 2, digest: 78, nodes: []uint32{3}, children: [][16]uint64{{1, 2, 3}}}),
		"tree-equal":    n.encodeTreeAnswer(&treeAnswer{session: 9, level: 0, digest: 77}),
		"leaf-ask":      n.encodeLeafAsk(9, []uint32{7, 65535}),
		"leaf-answer":   n.encodeLeafAnswer(&leafAnswer{session: 9, leaves: 2, keys: []heldVersion{{"a/b", r.Version()}}}),
		"sync-pull":     n.encodeSyncPull([]string{"a/b", "c"}),
		"store":         n.encodeStore(&storeMessage{op: 7, epoch: 2, entry: e[0]}),
		"stored":        n.encodeStored(7, 2),
		"fetch":         n.encodeFetch(&fetchMessage{7, 2, "a/b"}),
		"fetched":       n.encodeFetched(&storeMessage{op: 7, epoch: 2, entry: e[0]}),
		"config-ask":    n.encodeConfigAsk(),
		"config-none":   n.encodeConfigIs(nil),
		"config-is":     n.encodeConfigIs(&Config{Epoch: 2, Founding: r.UUID, Previous: []ID{1, 2}, Voters: []ID{1, 2, 3}}),
		"prepare":       n.encodePrepare(&q),
		"look":          n.encodeLook(&question{round: 6, epoch: 2, path: "a/b"}),
		"accept":        n.encodeAccept(&q, &Consensus{Promised: q.ballot, Ballot: q.ballot, Record: r, Applied: []Applied{{r.UUID, r.Version()}}}),
		"promised":      n.encodePromised(q, &vote{ok: true, record: e[0].record}),
		"refused":       n.encodePromised(q, &vote{promised: q.ballot}),
		"accepted":      n.encodeAccepted(q, &vote{ok: true}),
		"hello":         n.encodeHello(&hello{standing: standingPulling, answer: true}),
		"plan-ask":      n.encodePlanAsk(3),
		"plan":          n.encodePlan(&planMessage{ready: true, bootPlan: bootPlan{10, 1000, []Timestamp{77, 5, 0}}}),
		"plan-not-yet":  n.encodePlan(&planMessage{bootPlan: bootPlan{keys: 10, bytes: 1000}}),
		"page-ask":      n.encodePageAsk(&pageAsk{seq: 4, lo: 5, hi: 77, from: "a/b", bytesMax: 1 << 18}),
		"page":          n.encodePage(&page{seq: 4, next: "d", scanned: 99, entries: e}),
		"epoch":         n.encodeEpoch(msgEpoch, 3),
		"passed-ask":    n.encodeEpoch(msgPassedAsk, 3),
		"passed-is":     n.encodeEpoch(msgPassedIs, 3),
		"adopted-ask":   n.encodeEpoch(msgAdoptedAsk, 3),
		"adopted-is":    n.encodeEpoch(msgAdoptedIs, 3),
		"word-ask":      n.encodeWord(msgWordAsk, 8),
		"word":          n.encodeWord(msgWord, 8),
		"word-back":     n.encodeWord(msgWordBack, 8),
		"catch-range":   n.encodeCatchRange(&catchRange{round: 9, epoch: 3, keyRange: keyRange{"a", "z"}, sum: rangeSum{3, 77}}),
		"catch-keys":    n.encodeCatchKeys(&catchKeys{round: 9, keyRange: keyRange{"a", ""}, keys: []heldVersion{{"a/b", r.Version()}}}),
		"catch-equal":   n.encodeCatchKeys(&catchKeys{round: 9, keyRange: keyRange{"a", "b"}, equal: true}),
		"catch-pull":    n.encodeCatchPull(9, []string{"a/b", "c"}),
		"catch-slots":   n.encodeCatchSlots(&replicate{seq: 9, entries: []entry{e[0], {path: "gone"}}}),
		"fetched-none":  n.encodeFetched(&storeMessage{op: 7, epoch: 2, entry: entry{path: "a/b"}}),
		"gossip":        sealEnvelope(appendPulse(n.beginEnvelope(msgGossip, pulseBytes), &pulse{ModeReadOnly, 1_700_000_000_123, 77, 66, 1500 * time.Microsecond, 99})),
		"gone-ask":      n.encodeGone(&goneAsk{round: 3, roster: 4, paths: []heldVersion{{"a/b", r.Version()}}}),
		"gone-answer":   n.encodeGoneAnswer(&goneAnswer{round: 3, roster: 4, upTo: 9, fence: r.TS, held: []bool{true, false}}),
		"gone-word":     n.encodeGoneWord(&gone{fence: r.TS, floors: []floor{{1, 2}, {3, 4}}, paths: []heldVersion{{"a/b", r.Version()}}}),
	}
}

func TestMessagesGolden(t *testing.T) {
	m := sampleMessages()
	var b strings.Builder
	for _, name := range []string{"replicate", "replicate-ack", "tree-ask", "tree-answer", "tree-equal", "leaf-ask", "leaf-answer", "sync-pull", "store", "stored", "fetch", "fetched", "fetched-none",
		"config-ask", "config-none", "config-is", "prepare", "look", "accept", "promised", "refused", "accepted",
		"epoch", "passed-ask", "passed-is", "adopted-ask", "adopted-is", "catch-range", "catch-keys", "catch-equal", "catch-pull", "catch-slots", "hello", "plan-ask", "plan", "plan-not-yet", "page-ask", "page", "gossip", "gone-ask", "gone-answer", "gone-word"} {
		fmt.Fprintf(&b, "%s %s\n", name, hex.EncodeToString(m[name]))
	}
	golden(t, "messages-v2.hex", []byte(b.String()))
}

// decodeAny decodes a body of any kind and encodes it again.
func decodeAny(n *Node, kind msgKind, body []byte) (again []byte, err error) {
	switch kind {
	case msgGossip:
		m, rest, err := decodePulse(body)
		return encodeIf(err, func() []byte { return sealEnvelope(append(appendPulse(n.beginEnvelope(kind, 0), &m), rest...)) })
	case msgReplicate:
		m, err := decodeReplicate(body)
		return encodeIf(err, func() []byte { return n.encodeReplicate(&m) })
	case msgReplicateAck:
		seq, err := decodeReplicateAck(body)
		return encodeIf(err, func() []byte { return n.encodeReplicateAck(seq) })
	case msgTreeAsk:
		m, err := decodeTreeAsk(body)
		return encodeIf(err, func() []byte { return n.encodeTreeAsk(&m) })
	case msgTreeAnswer:
		m, err := decodeTreeAnswer(body)
		return encodeIf(err, func() []byte { return n.encodeTreeAnswer(&m) })
	case msgLeafAsk:
		session, leaves, err := decodeLeafAsk(body)
		return encodeIf(err, func() []byte { return n.encodeLeafAsk(session, leaves) })
	case msgLeafAnswer:
		m, err := decodeLeafAnswer(body)
		return encodeIf(err, func() []byte { return n.encodeLeafAnswer(&m) })
	case msgSyncPull:
		m, err := decodeSyncPull(body)
		return encodeIf(err, func() []byte { return n.encodeSyncPull(m) })
	case msgStore:
		m, err := decodeStore(body)
		return encodeIf(err, func() []byte { return n.encodeStore(&m) })
	case msgStored:
		op, epoch, err := decodeStored(body)
		return encodeIf(err, func() []byte { return n.encodeStored(op, epoch) })
	case msgFetch:
		m, err := decodeFetch(body)
		return encodeIf(err, func() []byte { return n.encodeFetch(&m) })
	case msgFetched:
		m, err := decodeFetched(body)
		return encodeIf(err, func() []byte { return n.encodeFetched(&m) })
	case msgEpoch, msgPassedAsk, msgPassedIs, msgAdoptedAsk, msgAdoptedIs, msgWordAsk, msgWord, msgWordBack:
		epoch, err := decodeEpoch(body)
		return encodeIf(err, func() []byte { return n.encodeEpoch(kind, epoch) })
	case msgCatchRange:
		m, err := decodeCatchRange(body)
		return encodeIf(err, func() []byte { return n.encodeCatchRange(&m) })
	case msgCatchKeys:
		m, err := decodeCatchKeys(body)
		return encodeIf(err, func() []byte { return n.encodeCatchKeys(&m) })
	case msgCatchPull:
		round, paths, err := decodeCatchPull(body)
		return encodeIf(err, func() []byte { return n.encodeCatchPull(round, paths) })
	case msgCatchSlots:
		m, err := decodeCatchSlots(body)
		return encodeIf(err, func() []byte { return n.encodeCatchSlots(&m) })
	case msgConfigAsk:
		return encodeIf(decodeConfigAsk(body), n.encodeConfigAsk)
	case msgConfigIs:
		c, err := decodeConfigIs(body)
		return encodeIf(err, func() []byte { return n.encodeConfigIs(c) })
	case msgPrepare:
		q, err := decodePrepare(body)
		return encodeIf(err, func() []byte { return n.encodePrepare(&q) })
	case msgLook:
		q, err := decodePrepare(body)
		return encodeIf(err, func() []byte { return n.encodeLook(&q) })
	case msgAccept:
		q, c, err := decodeAccept(body)
		return encodeIf(err, func() []byte { return n.encodeAccept(&q, c) })
	case msgPromised:
		a, err := decodePromised(body)
		return encodeIf(err, func() []byte {
			return n.encodePromised(question{round: a.round, epoch: a.epoch}, &vote{ok: a.ok, promised: a.promised, record: a.record})
		})
	case msgAccepted:
		a, err := decodeAccepted(body)
		return encodeIf(err, func() []byte {
			return n.encodeAccepted(question{round: a.round, epoch: a.epoch}, &vote{ok: a.ok, promised: a.promised})
		})
	case msgGoneAsk:
		m, err := decodeGoneAsk(body)
		return encodeIf(err, func() []byte { return n.encodeGone(&m) })
	case msgGoneAnswer:
		m, err := decodeGoneAnswer(body)
		return encodeIf(err, func() []byte { return n.encodeGoneAnswer(&m) })
	case msgGoneWord:
		m, err := decodeGoneWord(body)
		return encodeIf(err, func() []byte { return n.encodeGoneWord(&m) })
	}
	return decodeAnyBootstrap(n, kind, body)
}

func decodeAnyBootstrap(n *Node, kind msgKind, body []byte) (again []byte, err error) {
	switch kind {
	case msgHello:
		m, err := decodeHello(body)
		return encodeIf(err, func() []byte { return n.encodeHello(&m) })
	case msgPlanAsk:
		seq, err := decodePlanAsk(body)
		return encodeIf(err, func() []byte { return n.encodePlanAsk(seq) })
	case msgPlan:
		m, err := decodePlan(body)
		return encodeIf(err, func() []byte { return n.encodePlan(&m) })
	case msgPageAsk:
		m, err := decodePageAsk(body)
		return encodeIf(err, func() []byte { return n.encodePageAsk(&m) })
	case msgPage:
		m, err := decodePage(body)
		return encodeIf(err, func() []byte { return n.encodePage(&m) })
	}
	return nil, ErrBadMessage
}

func encodeIf(err error, f func() []byte) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	return f(), nil
}

func TestMessagesRoundTripAndRefuseCuts(t *testing.T) {
	n := sampleNode()
	for name, b := range sampleMessages() {
		kind, from, body, err := openEnvelope(b, n.cluster)
		require.NoError(t, err, name)
		require.Equal(t, n.id, from)
		again, err := decodeAny(n, kind, body)
		require.NoError(t, err, name)
		require.Equal(t, body, again[envelopeHeader:len(again)-4], name)
		for i := range body {
			_, err := decodeAny(n, kind, body[:i])
			require.ErrorIs(t, err, ErrBadMessage, "%s cut to %d", name, i)
		}
		if kind == msgGossip {
			continue // what follows the pulse is swim's.
		}
		_, err = decodeAny(n, kind, append(body[:len(body):len(body)], 0))
		require.ErrorIs(t, err, ErrBadMessage, "%s with a tail", name)
	}
}

func TestEnvelopeRefuses(t *testing.T) {
	n := sampleNode()
	good := n.encodeReplicateAck(1)
	for i := range len(good) * 8 {
		bad := append([]byte{}, good...)
		bad[i/8] ^= 1 << (i % 8)
		_, _, _, err := openEnvelope(bad, n.cluster)
		require.ErrorIs(t, err, ErrBadMessage, "bit %d", i)
	}
	_, _, _, err := openEnvelope(good, clusterHash("other"))
	require.ErrorIs(t, err, errOtherCluster)
	future := sealEnvelope(append([]byte{wireVersion + 1}, good[1:len(good)-4]...))
	_, _, _, err = openEnvelope(future, n.cluster)
	require.ErrorContains(t, err, "wire version 3")
}

// A frame says what it is about, and one that cannot be read says nothing.
func TestFrameDetail(t *testing.T) {
	rec := sampleRecord()
	etag := rec.Version().ETag()
	m := sampleMessages()
	for name, want := range map[string][]string{
		"replicate": {"batch 5", "a/b version " + etag, "c version"}, "replicate-ack": {"batch 5"}, "sync-pull": {"a/b, c"},
		"store": {"operation 7, epoch 2", "a/b version " + etag}, "stored": {"operation 7"}, "fetch": {"a/b"}, "fetched-none": {"a/b nothing"},
		"prepare": {"round 6", "a/b", "ballot 2/"}, "look": {"epoch 2", "a/b"}, "accept": {"round 6", "a/b version " + etag, "ballot 2/"},
		"promised": {"round 6", "bytes"}, "refused": {"round 6", "refused, ballot 2/"}, "accepted": {"round 6"},
		"leaf-answer": {"a/b at"}, "catch-keys": {"a/b at"}, "catch-pull": {"round 9: a/b, c"}, "catch-range": {"epoch 3", `"a" to "z"`}, "catch-slots": {"gone nothing"},
		"gone-ask": {"round 3", "a/b at"}, "gone-answer": {"stamps up to 9"}, "gone-word": {"fence", "a/b at"}, "epoch": {"epoch 3"}, "config-is": {"epoch 2, voters"},
		"page": {"page 4", "a/b version"}, "passed-ask": {"epoch 3"},
	} {
		got := FrameDetail(m[name])
		for _, part := range want {
			require.Contains(t, got, part, name)
		}
		for i := range m[name] {
			require.Empty(t, FrameDetail(m[name][:i]), "%s cut at %d", name, i)
		}
		require.Empty(t, FrameDetail(append(m[name][:len(m[name])-4:len(m[name])-4], 1, 2, 3, 4, 5)), "%s with a byte too many", name)
	}
	for _, name := range []string{"gossip", "hello", "word", "config-none", "tree-ask"} {
		require.Empty(t, FrameDetail(m[name]), name)
	}
}

func frameOf(kind msgKind, body []byte) []byte {
	return sealEnvelope(append(sampleNode().beginEnvelope(kind, len(body)), body...))
}

func FuzzMessage(f *testing.F) {
	n := sampleNode()
	for _, b := range sampleMessages() {
		f.Add(b[1], b[envelopeHeader:len(b)-4])
	}
	f.Add(byte(msgLeafAsk), []byte{0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, kind byte, body []byte) {
		FrameDetail(frameOf(msgKind(kind), body)) // of anything.
		again, err := decodeAny(n, msgKind(kind), body)
		if err != nil {
			return
		}
		require.Equal(t, body, again[envelopeHeader:len(again)-4])
	})
}
