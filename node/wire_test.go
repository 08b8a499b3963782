package node

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"kvs/node/codec"
	"kvs/node/contract"
	"kvs/node/slot"
	"kvs/node/step"
	"kvs/node/voting"
	"kvs/node/wire"

	"github.com/stretchr/testify/require"
)

func sampleNode() *Node {
	return &Node{Shared: step.Shared{Self: 0xabc, Cluster: wire.ClusterHash("kvs")}}
}

// sampleMessages is one sealed message of every kind that this package encodes.
func sampleMessages() map[string][]byte {
	n := sampleNode()
	r := sampleRecord()
	e := []wire.Entry{{Path: "a/b", Record: encodeRecord("a/b", &r)}, {Path: "c", Record: encodeRecord("c", &r)}}
	q := wire.Question{Round: 6, Epoch: 2, Path: "a/b", Ballot: slot.Ballot{Epoch: 2, TS: r.TS + 1, Member: 3}}
	return map[string][]byte{
		"replicate":     n.Frame(wire.KindReplicate, &wire.Replicate{Seq: 5, Entries: e}),
		"replicate-ack": n.Frame(wire.KindReplicateAck, &wire.ReplicateAck{Seq: 5}),
		"tree-ask": n.Frame(wire.KindTreeAsk,
			&wire.TreeAsk{Session: 9, Level: 2, Digest: 77, Nodes: []uint32{3, 255}}),
		"tree-answer": n.Frame(wire.KindTreeAnswer,
			&wire.TreeAnswer{Session: 9, Level: 2, Digest: 78, Nodes: []uint32{3}, Children: [][16]uint64{{1, 2, 3}}}),
		"tree-equal": n.Frame(wire.KindTreeAnswer, &wire.TreeAnswer{Session: 9, Level: 0, Digest: 77}),
		"leaf-ask":   n.Frame(wire.KindLeafAsk, &wire.LeafAsk{Session: 9, Leaves: []uint32{7, 65535}}),
		"leaf-answer": n.Frame(wire.KindLeafAnswer,
			&wire.LeafAnswer{Session: 9, Leaves: 2, Keys: []wire.HeldVersion{{Path: "a/b", Version: r.Version()}}}),
		"sync-pull":   n.Frame(wire.KindSyncPull, &wire.SyncPull{Paths: []string{"a/b", "c"}}),
		"store":       n.Frame(wire.KindStore, &wire.Store{Op: 7, Epoch: 2, Entry: e[0]}),
		"stored":      n.Frame(wire.KindStored, &wire.Stored{Op: 7, Epoch: 2}),
		"fetch":       n.Frame(wire.KindFetch, &wire.Fetch{Op: 7, Epoch: 2, Path: "a/b"}),
		"fetched":     n.Frame(wire.KindFetched, &wire.Fetched{Op: 7, Epoch: 2, Entry: e[0]}),
		"config-ask":  n.Frame(wire.KindConfigAsk, &wire.ConfigAsk{}),
		"config-none": n.Frame(wire.KindConfigIs, &wire.ConfigIs{}),
		"config-is": n.Frame(wire.KindConfigIs, &wire.ConfigIs{
			Config: &voting.Config{Epoch: 2, Founding: r.UUID, Previous: []slot.ID{1, 2}, Voters: []slot.ID{1, 2, 3}}}),
		"prepare": n.Frame(wire.KindPrepare, &q),
		"look":    n.Frame(wire.KindLook, &wire.Question{Round: 6, Epoch: 2, Path: "a/b"}),
		"accept": n.Frame(wire.KindAccept,
			&wire.Accept{Question: q, Consensus: &slot.Consensus{Promised: q.Ballot, Ballot: q.Ballot, Record: r,
				Applied: []slot.Applied{{Key: r.UUID, Version: r.Version()}}}}),
		"promised": n.Frame(wire.KindPromised,
			&wire.Promised{Answer: wire.Answer{Round: q.Round, Epoch: q.Epoch, OK: true}, Record: e[0].Record}),
		"refused": n.Frame(wire.KindPromised,
			&wire.Promised{Answer: wire.Answer{Round: q.Round, Epoch: q.Epoch, Promised: q.Ballot}}),
		"accepted": n.Frame(wire.KindAccepted,
			&wire.Accepted{Answer: wire.Answer{Round: q.Round, Epoch: q.Epoch, OK: true}}),
		"hello":       n.Frame(wire.KindHello, &wire.Hello{Standing: wire.StandingPulling, Asks: 5, Answers: 6}),
		"confirm-ask": n.Frame(wire.KindConfirmAsk, &wire.ConfirmAsk{Question: 5, Stamp: 6, Sum: 7}),
		"confirm-is":  n.Frame(wire.KindConfirmIs, &wire.ConfirmIs{Question: 5, Sealed: true, Clock: r.TS}),
		"plan-ask":    n.Frame(wire.KindPlanAsk, &wire.PlanAsk{Seq: 3}),
		"plan": n.Frame(wire.KindPlan,
			&wire.Plan{Ready: true, Bands: wire.Bands{Keys: 10, Bytes: 1000, Bounds: []slot.Timestamp{77, 5, 0}}}),
		"plan-not-yet": n.Frame(wire.KindPlan, &wire.Plan{Bands: wire.Bands{Keys: 10, Bytes: 1000}}),
		"page-ask": n.Frame(wire.KindPageAsk,
			&wire.PageAsk{Seq: 4, Lo: 5, Hi: 77, From: "a/b", BytesMax: 1 << 18}),
		"page":        n.Frame(wire.KindPage, &wire.Page{Seq: 4, Next: "d", Scanned: 99, Entries: e}),
		"epoch":       n.Frame(wire.KindEpoch, &wire.Epoch{Epoch: 3}),
		"passed-ask":  n.Frame(wire.KindPassedAsk, &wire.Epoch{Epoch: 3}),
		"passed-is":   n.Frame(wire.KindPassedIs, &wire.Epoch{Epoch: 3}),
		"adopted-ask": n.Frame(wire.KindAdoptedAsk, &wire.Epoch{Epoch: 3}),
		"adopted-is":  n.Frame(wire.KindAdoptedIs, &wire.Epoch{Epoch: 3}),
		"word-ask":    n.Frame(wire.KindWordAsk, &wire.Word{Attempt: 8}),
		"word":        n.Frame(wire.KindWord, &wire.Word{Attempt: 8}),
		"word-back":   n.Frame(wire.KindWordBack, &wire.Word{Attempt: 8}),
		"catch-range": n.Frame(wire.KindCatchRange, &wire.CatchRange{Round: 9, Epoch: 3,
			KeyRange: wire.KeyRange{From: "a", To: "z"}, Sum: wire.RangeSum{Keys: 3, Hash: 77}}),
		"catch-keys": n.Frame(wire.KindCatchKeys,
			&wire.CatchKeys{Round: 9, KeyRange: wire.KeyRange{From: "a", To: ""},
				Keys: []wire.HeldVersion{{Path: "a/b", Version: r.Version()}}}),
		"catch-equal": n.Frame(wire.KindCatchKeys,
			&wire.CatchKeys{Round: 9, KeyRange: wire.KeyRange{From: "a", To: "b"}, Equal: true}),
		"catch-pull": n.Frame(wire.KindCatchPull, &wire.CatchPull{Round: 9, Paths: []string{"a/b", "c"}}),
		"catch-slots": n.Frame(wire.KindCatchSlots,
			&wire.CatchSlots{Round: 9, Entries: []wire.Entry{e[0], {Path: "gone"}}}),
		"fetched-none": n.Frame(wire.KindFetched, &wire.Fetched{Op: 7, Epoch: 2, Entry: wire.Entry{Path: "a/b"}}),
		"gossip": n.Frame(wire.KindGossip,
			&wire.Gossip{Pulse: wire.Pulse{Mode: contract.ModeReadOnly, Wall: 1_700_000_000_123, Stamp: 77, Echo: 66,
				Held: 1500 * time.Microsecond, Digest: 99}}),
		"collect-ask": n.Frame(wire.KindCollectAsk,
			&wire.CollectAsk{Round: 3, Roster: 4, Paths: []wire.HeldVersion{{Path: "a/b", Version: r.Version()}}}),
		"collect-answer": n.Frame(wire.KindCollectAnswer,
			&wire.CollectAnswer{Round: 3, Roster: 4, UpTo: 9, Fence: r.TS, Held: []bool{true, false}}),
		"collected": n.Frame(wire.KindCollected,
			&wire.Collected{Fence: r.TS, Floors: []wire.Floor{{Member: 1, Stamp: 2}, {Member: 3, Stamp: 4}},
				Paths: []wire.HeldVersion{{Path: "a/b", Version: r.Version()}}}),
		"covered": n.Frame(wire.KindCovered, &wire.Covered{Op: 7, Epoch: 2, Above: r.TS}),
		"accept-direct": n.Frame(wire.KindAcceptDirect,
			&wire.AcceptDirect{Seen: r.TS - 1, Accept: wire.Accept{Question: q, Consensus: &slot.Consensus{
				Promised: slot.Ballot{Epoch: 2, TS: r.TS + 2, Member: 3}, Ballot: q.Ballot, Record: r}}}),
		"named": n.Frame(wire.KindPromised,
			&wire.Promised{Answer: wire.Answer{Round: q.Round, Epoch: q.Epoch, OK: true, Promised: q.Ballot}}),
		"accepted-named": n.Frame(wire.KindAccepted, &wire.Accepted{Answer: wire.Answer{
			Round: q.Round, Epoch: q.Epoch, OK: true, Promised: slot.Ballot{Epoch: 2, TS: r.TS + 2, Member: 3}}}),
		"forward": n.Frame(wire.KindForward, &wire.Forward{Round: 6, Run: 7, First: r.TS - 1, Since: r.TS,
			UUID: r.UUID, Budget: 1500 * time.Millisecond, Request: contract.Request{
				Op: contract.OpPut, Level: contract.Linearizable, Path: "a/b", Value: r.Value,
				ContentType: r.ContentType, TTL: time.Minute, Key: r.UUID, Fingerprint: 8,
				Condition: contract.Condition{
					Kind: contract.IfMatch, Versions: []slot.Version{r.Version()}},
			}}),
		"forward-read": n.Frame(wire.KindForward, &wire.Forward{Round: 6, Run: 7, Budget: time.Second,
			Request: contract.Request{Op: contract.OpGet, Level: contract.Linearizable, Path: "a/b"}}),
		"forwarded": n.Frame(wire.KindForwarded, &wire.Forwarded{Round: 6, Run: 7, UUID: r.UUID, Clock: r.TS,
			Response: contract.Response{Code: contract.CodeCreated, Record: r}}),
		"forward-declined": n.Frame(wire.KindForwarded, &wire.Forwarded{Round: 6, Run: 7, UUID: r.UUID, Clock: r.TS,
			Fate: wire.FateDeclined, Response: contract.Response{Code: contract.CodeConflict,
				Outcome: contract.OutcomeNotApplied, Detail: "why", RetryAfter: time.Second}}),
		"descent": n.Frame(wire.KindDescent, &wire.Descent{Round: 6, Path: "a/b", Ballot: q.Ballot,
			Above: slot.Ballot{Epoch: 1, TS: 5, Member: 2}}),
		"descended": n.Frame(wire.KindDescended, &wire.Descended{Round: 6, Ballot: q.Ballot, Stretches: []wire.Stretch{
			{From: q.Ballot, Before: slot.Ballot{Epoch: 1, TS: 5, Member: 2}},
			{From: slot.Ballot{Epoch: 1, TS: 4, Member: q.Ballot.Member}}}}),
		"descended-none": n.Frame(wire.KindDescended, &wire.Descended{Round: 6, Ballot: q.Ballot}),
		"introduced": n.Frame(wire.KindPromised, &wire.Promised{Answer: wire.Answer{
			Round: q.Round, Epoch: q.Epoch, OK: true, Promised: wire.Introduction(7, n.Self)}}),
	}
}

func TestMessagesGolden(t *testing.T) {
	m := sampleMessages()
	var b strings.Builder
	for _, name := range []string{"replicate", "replicate-ack", "tree-ask", "tree-answer", "tree-equal", "leaf-ask",
		"leaf-answer", "sync-pull", "store", "stored", "fetch", "fetched", "fetched-none",
		"config-ask", "config-none", "config-is", "prepare", "look", "accept", "promised", "refused", "accepted",
		"epoch", "passed-ask", "passed-is", "adopted-ask", "adopted-is", "catch-range", "catch-keys", "catch-equal",
		"catch-pull", "catch-slots", "hello", "plan-ask", "plan", "plan-not-yet", "page-ask", "page", "gossip",
		"collect-ask", "collect-answer", "collected",
		"confirm-ask", "confirm-is", "covered", "accept-direct", "named", "accepted-named",
		"forward", "forward-read", "forwarded", "forward-declined", "introduced",
		"descent", "descended", "descended-none"} {
		fmt.Fprintf(&b, "%s %s\n", name, hex.EncodeToString(m[name]))
	}
	golden(t, "messages-v2.hex", []byte(b.String()))
}

// decodeAny decodes a body of any kind and encodes it again.
func decodeAny(n *Node, kind wire.Kind, body []byte) (again []byte, err error) {
	m, err := kind.Decode(body)
	if err != nil {
		return nil, err
	}
	return n.Frame(kind, m), nil
}

func TestMessagesRoundTripAndRefuseCuts(t *testing.T) {
	n := sampleNode()
	for name, b := range sampleMessages() {
		kind, from, body, err := wire.Open(b, n.Cluster)
		require.NoError(t, err, name)
		require.Equal(t, n.Self, from)
		again, err := decodeAny(n, kind, body)
		require.NoError(t, err, name)
		require.Equal(t, body, again[wire.HeaderBytes:len(again)-4], name)
		for i := range body {
			_, err := decodeAny(n, kind, body[:i])
			require.ErrorIs(t, err, codec.ErrBadMessage, "%s cut to %d", name, i)
		}
		if kind == wire.KindGossip {
			continue // what follows the pulse is swim's.
		}
		_, err = decodeAny(n, kind, append(body[:len(body):len(body)], 0))
		require.ErrorIs(t, err, codec.ErrBadMessage, "%s with a tail", name)
	}
}

func TestEnvelopeRefuses(t *testing.T) {
	n := sampleNode()
	good := n.Frame(wire.KindReplicateAck, &wire.ReplicateAck{Seq: 1})
	for i := range len(good) * 8 {
		bad := append([]byte{}, good...)
		bad[i/8] ^= 1 << (i % 8)
		_, _, _, err := wire.Open(bad, n.Cluster)
		require.ErrorIs(t, err, codec.ErrBadMessage, "bit %d", i)
	}
	_, _, _, err := wire.Open(good, wire.ClusterHash("other"))
	require.ErrorIs(t, err, wire.ErrOtherCluster)
	future := wire.Seal(append([]byte{wire.Version + 1}, good[1:len(good)-4]...))
	_, _, _, err = wire.Open(future, n.Cluster)
	require.ErrorContains(t, err, "wire version 3")
}

// A frame says what it is about, and one that cannot be read says nothing.
func TestFrameDetail(t *testing.T) {
	rec := sampleRecord()
	etag := rec.Version().ETag()
	m := sampleMessages()
	for name, want := range map[string][]string{
		"replicate": {"batch 5", "a/b version " + etag, "c version"}, "replicate-ack": {"batch 5"},
		"sync-pull": {"a/b, c"},
		"store":     {"operation 7, epoch 2", "a/b version " + etag}, "stored": {"operation 7"},
		"forward": {"round 6", "put a/b"}, "forwarded": {"created"}, "forward-declined": {"declined"},
		"covered": {"operation 7"}, "fetch": {"a/b"}, "descent": {"round 6: a/b under"},
		"descended": {"follow 1/"}, "descended-none": {"not known"},
		"fetched-none": {"a/b nothing"},
		"prepare":      {"round 6", "a/b", "ballot 2/"}, "look": {"epoch 2", "a/b"},
		"accept":   {"round 6", "a/b version " + etag, "ballot 2/"},
		"promised": {"round 6", "bytes"}, "refused": {"round 6", "refused, ballot 2/"}, "accepted": {"round 6"},
		"leaf-answer": {"a/b at"}, "catch-keys": {"a/b at"}, "catch-pull": {"round 9: a/b, c"},
		"catch-range": {"epoch 3", `"a" to "z"`}, "catch-slots": {"gone nothing"},
		"collect-ask": {"round 3", "a/b at"}, "collect-answer": {"stamps up to 9"}, "collected": {"fence", "a/b at"},
		"epoch": {"epoch 3"}, "config-is": {"epoch 2, voters"},
		"page": {"page 4", "a/b version"}, "passed-ask": {"epoch 3"}, "hello": {"pulling"},
		"confirm-ask": {"stamp 6"}, "confirm-is": {"sealed true"},
	} {
		got := wire.FrameDetail(m[name])
		for _, part := range want {
			require.Contains(t, got, part, name)
		}
		for i := range m[name] {
			require.Empty(t, wire.FrameDetail(m[name][:i]), "%s cut at %d", name, i)
		}
		require.Empty(t, wire.FrameDetail(append(m[name][:len(m[name])-4:len(m[name])-4], 1, 2, 3, 4, 5)),
			"%s with a byte too many", name)
	}
	for _, name := range []string{"gossip", "word", "config-none", "tree-ask"} {
		require.Empty(t, wire.FrameDetail(m[name]), name)
	}
}

func frameOf(kind wire.Kind, body []byte) []byte {
	return wire.Seal(append(sampleNode().Begin(kind, len(body)), body...))
}

func FuzzMessage(f *testing.F) {
	n := sampleNode()
	for _, b := range sampleMessages() {
		f.Add(b[1], b[wire.HeaderBytes:len(b)-4])
	}
	f.Add(byte(wire.KindLeafAsk), []byte{0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, kind byte, body []byte) {
		wire.FrameDetail(frameOf(wire.Kind(kind), body)) // of anything.
		again, err := decodeAny(n, wire.Kind(kind), body)
		if err != nil {
			return
		}
		require.Equal(t, body, again[wire.HeaderBytes:len(again)-4])
	})
}
