package checks

import (
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/linearize"
	"kvs/node"
	"kvs/node/schema"
	"kvs/scenarios"
	"kvs/sim/kvs/ledger"
	"kvs/sim/kvs/world"
)

func TestCreationsFire(t *testing.T) {
	l := ledger.New()
	put := func(label string, ts uint64, created bool) int32 {
		i := l.Begin("a", false, label, []byte(label), 1, 1)
		l.Acknowledge(i, node.Version{TS: node.Timestamp(ts)}, 7)
		l.Writes[i].Told, l.Writes[i].Created = true, created
		return i
	}
	wrong := func() *ledger.Write {
		wr, _ := wrongCreation(&l, l.Of("a"))
		return wr
	}
	put("v2", 20, false)
	first := put("v1", 10, true)
	l.Acknowledge(l.Begin("a", true, "", nil, 1, 1), node.Version{TS: 30}, 7)
	third := put("v3", 40, true)
	l.Answer(l.Begin("a", true, "", nil, 1, 1), linearize.OK) // of nothing.
	require.Nil(t, wrong())
	l.Writes[first].Created = false
	require.EqualValues(t, 10, wrong().Version.TS)
	l.Writes[first].Created, l.Writes[third].Created = true, false
	require.EqualValues(t, 40, wrong().Version.TS)
	l.Writes[third].Told = false
	require.Nil(t, wrong())
	l.Writes[third].Told = true
	unknown := l.Begin("a", false, "v4", []byte("v4"), 1, 1)
	l.Answer(unknown, linearize.Info)
	require.Nil(t, wrong(), "it may have come between")
	l.Writes[unknown].Fate = ledger.Refused
	require.NotNil(t, wrong())
}

func TestCreatedFires(t *testing.T) {
	w, e := lived(t)
	k, r := newCreatedCheck(w.World), &w.Replicas[1]
	require.NotEmpty(t, e.Nodes[0].Records)
	for i := range e.Nodes[0].Records {
		rec := &e.Nodes[0].Records[i]
		live, known := r.ShowsAt(rec.Path)
		require.True(t, known)
		require.Equal(t, rec.Record.Live(), live)
		c := world.Call{Shown: live, ShownKnown: true, Request: scenarios.Op{Kind: scenarios.OpPut, Path: rec.Path}}
		code := map[bool]node.Code{true: node.CodeOK, false: node.CodeCreated}
		k.answered(r, &c, &node.Response{Code: code[live], Level: node.Eventual})
		require.Empty(t, w.Violations())
		k.answered(r, &c, &node.Response{Code: code[!live], Level: node.Eventual})
		requireBroken(t, w.Violations(), promiseKnownValues, "answers a put with")
		w.TakeViolations()
	}
	live, known := r.ShowsAt("never/written")
	require.True(t, known && !live)
	rec := node.Record{TS: 9, UUID: node.UUID{1}, Origin: 7, Value: []byte("v")}
	r.Queue(node.Persist{ID: 1, Changes: []node.Change{{Key: schema.PrefixRecord + "never/written",
		Value: encodeRecord("never/written", &rec)}}})
	live, _ = r.ShowsAt("never/written")
	require.True(t, live, "what is on its way to the disk shows to the node's loop")
}
