package sim

import (
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/linearize"
	"kvs/node"
	"kvs/scenarios"
)

func TestCreationsFire(t *testing.T) {
	l := newLedger()
	put := func(label string, ts uint64, created bool) int32 {
		i := l.begin("a", false, label, []byte(label), 1, 1)
		l.acknowledged(i, node.Version{TS: node.Timestamp(ts)}, 7)
		l.writes[i].told, l.writes[i].created = true, created
		return i
	}
	wrong := func() *write {
		wr, _ := l.wrongCreation(l.of("a"))
		return wr
	}
	put("v2", 20, false)
	first := put("v1", 10, true)
	l.acknowledged(l.begin("a", true, "", nil, 1, 1), node.Version{TS: 30}, 7)
	third := put("v3", 40, true)
	l.answered(l.begin("a", true, "", nil, 1, 1), linearize.OK) // of nothing.
	require.Nil(t, wrong())
	l.writes[first].created = false
	require.EqualValues(t, 10, wrong().version.TS)
	l.writes[first].created, l.writes[third].created = true, false
	require.EqualValues(t, 40, wrong().version.TS)
	l.writes[third].told = false
	require.Nil(t, wrong())
	l.writes[third].told = true
	unknown := l.begin("a", false, "v4", []byte("v4"), 1, 1)
	l.answered(unknown, linearize.Info)
	require.Nil(t, wrong(), "it may have come between")
	l.writes[unknown].fate = fateRefused
	require.NotNil(t, wrong())
}

func TestCreatedFires(t *testing.T) {
	w, e := lived(t)
	r := &w.replicas[1]
	require.NotEmpty(t, e.Nodes[0].Records)
	for i := range e.Nodes[0].Records {
		rec := &e.Nodes[0].Records[i]
		live, known := r.shows(rec.Path)
		require.True(t, known)
		require.Equal(t, rec.Record.Live(), live)
		c := call{shows: live, showsKnown: true, request: scenarios.Op{Kind: scenarios.OpPut, Path: rec.Path}}
		code := map[bool]node.Code{true: node.CodeOK, false: node.CodeCreated}
		w.checkCreated(r, &c, &node.Response{Code: code[live], Level: node.Eventual})
		require.Empty(t, w.violations)
		w.checkCreated(r, &c, &node.Response{Code: code[!live], Level: node.Eventual})
		requireBroken(t, w.violations, promiseKnownValues, "answers a put with")
		w.violations = nil
	}
	live, known := r.shows("never/written")
	require.True(t, known && !live)
	rec := node.Record{TS: 9, UUID: node.UUID{1}, Origin: 7, Value: []byte("v")}
	r.disk.queue(node.Persist{ID: 1, Ops: []node.Op{{Key: recordPrefix + "never/written", Value: encodeRecord("never/written", &rec)}}})
	live, _ = r.shows("never/written")
	require.True(t, live, "what is on its way to the disk shows to the node's loop")
}
