package node

import (
	"bytes"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node/contract"
	"kvs/node/image"
	"kvs/node/schema"
	"kvs/node/slot"
	"kvs/node/wire"
)

// flipped replaces by flipping bits: doing it twice gives back what there was.
type flipped struct{}

func (flipped) Value(value []byte) []byte {
	out := slices.Clone(value)
	for i := range out {
		out[i] ^= 0xa5
	}
	return out
}

func (flipped) Hash(hash uint64) uint64 {
	if hash == 0 {
		return 0
	}
	return hash ^ 1<<63
}

// twice replaces the values in b and in the result, which has to be b again: nothing but values has changed, and no
// value is left in between.
func twice(t *testing.T, what string, b []byte, replace func([]byte) []byte) (once []byte) {
	t.Helper()
	before := bytes.Clone(b)
	once = replace(b)
	require.Equal(t, before, b, "it is lent")
	require.Len(t, once, len(b), what)
	require.NotContains(t, string(once), "hello", what)
	require.Equal(t, b, replace(once), what)
	return once
}

func pathOfSamples(uint64) (string, bool) { return "a/b", true }

func TestReplaceInMessages(t *testing.T) {
	replace := func(b []byte) []byte { return wire.Replace(b, flipped{}, pathOfSamples) }
	for name, b := range sampleMessages() {
		once := twice(t, name, b, replace)
		before, err := wire.KindOf(b).Decode(b[wire.HeaderBytes : len(b)-4])
		require.NoError(t, err)
		kind, from, body, err := wire.Open(once, sampleNode().Shared.Cluster)
		require.NoError(t, err, name)
		require.Equal(t, wire.KindOf(b), kind)
		require.NotZero(t, from)
		after, err := kind.Decode(body)
		require.NoError(t, err, name)
		require.Equal(t, before.Describe(), after.Describe(), name)
		if !bytes.Contains(b, []byte("hello")) {
			require.Equal(t, b, once, name)
		}
		for i := range b { // whatever is damaged stays so.
			damaged := bytes.Clone(b)
			damaged[i] ^= 0x10
			once := twice(t, fmt.Sprint(name, " damaged at ", i), damaged, replace)
			_, _, _, err := wire.Open(once, sampleNode().Shared.Cluster)
			require.Error(t, err)
		}
		for cut := range b {
			twice(t, fmt.Sprint(name, " cut to ", cut), b[:cut], replace)
		}
		none := func(uint64) (string, bool) { return "", false }
		require.NotContains(t, string(wire.Replace(b, flipped{}, none)), "hello")
	}
}

// Every kind of message that may have bytes of a value in it is known to wire.Replace.
func TestReplaceKnowsMessages(t *testing.T) {
	none := map[wire.Kind]string{wire.KindGossip: "members", wire.KindMemberTable: "members"}
	samples := sampleMessages()
	for _, row := range wire.Rows() {
		mayHold := holdsBytes(reflect.TypeOf(row.Kind.NewBody()).Elem()) && none[row.Kind] == ""
		replaced := false
		for _, name := range slices.Sorted(maps.Keys(samples)) {
			if b := samples[name]; wire.KindOf(b) == row.Kind {
				replaced = replaced || !bytes.Equal(b, wire.Replace(b, flipped{}, pathOfSamples))
			}
		}
		require.Equal(t, mayHold, replaced, row.Name)
	}
}

// holdsBytes reports whether a slice of bytes is part of a type.
func holdsBytes(typ reflect.Type) bool {
	switch typ.Kind() {
	case reflect.Pointer, reflect.Array:
		return holdsBytes(typ.Elem())
	case reflect.Slice:
		return typ.Elem().Kind() == reflect.Uint8 || holdsBytes(typ.Elem())
	case reflect.Struct:
		for i := range typ.NumField() {
			if holdsBytes(typ.Field(i).Type) {
				return true
			}
		}
	}
	return false
}

func TestReplaceInStore(t *testing.T) {
	r := sampleRecord()
	conflict, both := sampleConflict(), sampleBoth()
	for _, s := range []slot.Slot{slot.Of(&r), conflict, both} {
		stored := slot.Encode("a/b", &s)
		key := schema.RecordKey("a/b")
		replace := func(b []byte) []byte { return ReplaceStored(key, b, flipped{}) }
		after, err := slot.Decode("a/b", twice(t, key, stored, replace))
		require.NoError(t, err)
		require.Equal(t, s.Version(), after.Version())
		if s.Consensus != nil {
			require.NotEqual(t, s.Consensus.Applied[0].Key, after.Consensus.Applied[0].Key, "a hash of a value")
		}
		for i := range stored {
			damaged := bytes.Clone(stored)
			damaged[i] ^= 0x10
			_, err := slot.Decode("a/b", twice(t, fmt.Sprint("damaged at ", i), damaged, replace))
			require.Error(t, err)
			twice(t, fmt.Sprint("cut to ", i), stored[:i], replace)
		}
	}
	for _, key := range []string{schema.KeyMembers, schema.PrefixIndex + "x", schema.KeyConflictClock} {
		require.Equal(t, []byte("hello"), ReplaceStored(key, []byte("hello"), flipped{}))
	}
	config := schema.ConfigPath(3)
	require.Equal(t, []byte("hello"), ReplaceStored(schema.RecordKey(config), []byte("hello"), flipped{}))
	e := wire.Entry{Path: config, Record: slot.Encode(config, &both)}
	e.ReplaceValues(flipped{})
	require.Equal(t, slot.Encode(config, &both), e.Record)
}

func TestReplaceInRequests(t *testing.T) {
	b := founded(t, 1)
	n := b.machine[0].node
	q := &Request{Op: OpPut, Path: "a", Value: []byte("hello"), ContentType: "text/plain"}
	q.SetKey([]byte("key"))
	other := n.ReplaceInput(q, flipped{}).(*Request)
	require.Equal(t, "hello", string(q.Value))
	require.NotEqual(t, q.Value, other.Value)
	require.NotEqual(t, q.Fingerprint, other.Fingerprint, "a hash of the value")
	require.NotEqual(t, q.Key, other.Key)
	list := slot.Applied{Key: q.Entry()}
	list.ReplaceValues(flipped{})
	require.Equal(t, other.Entry(), list.Key, "the request finds what was decided under its key")
	require.Equal(t, q, n.ReplaceInput(other, flipped{}))
	none := n.ReplaceInput(&Request{Op: OpGet, Path: "a"}, flipped{}).(*Request)
	require.Nil(t, none.Value)
	require.True(t, none.Key.IsZero())
	require.Equal(t, Tick{}, n.ReplaceInput(Tick{}, flipped{}))
}

// bytesInMemory are all slices of bytes in the state of a node. A new one has to be replaced by Node.ReplaceValues, or
// to have a reason here not to be.
var bytesInMemory = []string{
	"machine.Change.Value", // by ReplaceStored.
	"node/contract.Request.Value",
	"node/hearsay.claim.frame", // none of the messages that wait there carries slots: their kinds are wire.Row.Lasts.
	"node/quorum.operation.record",
	"node/replication.batch.frame",
	"node/slot.Candidate.Value", // except those of a round about a configuration, which has a ReplaceValues of its own.
	"node/slot.Record.Value",
	"node/step.Pending.Record",    // by its path.
	"node/step.recentSlot.record", // forgotten before each image.
	"node/swim.Send.Data",         // about members.
	"node/wire.Entry.Record",
}

func TestAllBytesInMemoryAreKnown(t *testing.T) {
	n := new(Node)
	fields, err := image.Fields(n, n.imageOptions(0))
	require.NoError(t, err)
	var found []string
	for _, f := range fields {
		if f.Type == reflect.TypeFor[[]byte]() {
			owner := strings.TrimPrefix(f.Owner.PkgPath()+"."+f.Owner.Name(), "kvs/")
			found = append(found, owner+"."+f.Name)
		}
	}
	slices.Sort(found)
	require.Equal(t, bytesInMemory, slices.Compact(found))
	for _, row := range wire.Rows() {
		require.False(t, row.Lasts && holdsBytes(reflect.TypeOf(row.Kind.NewBody()).Elem()), row.Name)
	}
}

// What operations under way hold in memory is replaced, and nothing else: doing it twice gives the same image.
func TestReplaceInMemory(t *testing.T) {
	b := founded(t, 3)
	b.doLinear(0, contract.OpPut, "d", "hello five", always)
	b.cut = func(from, to string) bool { return true }
	for range 2 { // what this member holds is an answer to both, in the same memory.
		b.linear(0, contract.OpGet, "d", "", always)
	}
	b.linear(0, contract.OpPut, "a", "hello one", always)
	b.linear(0, contract.OpPut, "a", "hello two", always)
	b.quorum(0, contract.OpPut, "b", "hello three")
	b.quorum(0, contract.OpPut, "c", "hello four")
	b.run(b.machine[0].node.Tuning.AckTimeout, nil)
	n := b.machine[0].node
	before, err := n.Image(nil, 0)
	require.NoError(t, err)
	require.Contains(t, string(before), "hello one")
	require.Contains(t, string(before), "hello two")
	require.Contains(t, string(before), "hello three")
	require.Equal(t, 1, strings.Count(string(before), "hello five"))
	n.ReplaceValues(flipped{})
	once, err := n.Image(nil, 0)
	require.NoError(t, err)
	require.NotContains(t, string(once), "hello")
	require.Len(t, once, len(before))
	n.ReplaceValues(flipped{})
	again, err := n.Image(nil, 0)
	require.NoError(t, err)
	require.Equal(t, before, again)
}

// A round about a configuration stays as it is: the core reads the configuration.
func TestReplaceLeavesConfigurations(t *testing.T) {
	b := founded(t, 3)
	b.nextReq++
	b.step(0, &contract.Request{ID: b.nextReq, Op: contract.OpPolicy, Level: contract.Linearizable, Path: "policy",
		Strong: []string{"hello/"}, Deadline: b.now + 10*time.Second})
	n := b.machine[0].node
	config := schema.ConfigPath(n.Epoch())
	var before []byte
	b.run(10*time.Second, func() bool { // until the round is under way.
		var err error
		before, err = n.Image(nil, 0)
		require.NoError(t, err)
		return slices.ContainsFunc(n.register.AppendOpen(nil), func(o contract.OpenOperation) bool {
			return o.Path == config
		})
	})
	require.Contains(t, string(before), "hello/", "the configuration that is voted on")
	n.ReplaceValues(flipped{})
	after, err := n.Image(nil, 0)
	require.NoError(t, err)
	require.Equal(t, before, after)
}

// The list of tombstones has copies of conflicts: what is passed on has no value of a client in them, and the record
// and its copy are replaced alike.
func TestReplaceInTheListOfTombstones(t *testing.T) {
	b := founded(t, 1)
	put := slot.Record{TS: 9, UUID: slot.UUID{2}, Origin: 2, Value: []byte("hello")}
	del := slot.Record{TS: 9, UUID: slot.UUID{1}, Origin: 1, Tombstone: true}
	s := slot.Of(&put)
	more := slot.Of(&del)
	s.Votes = []slot.Vote{{Member: 2, UUID: put.UUID}}
	more.Votes = []slot.Vote{{Member: 1, UUID: del.UUID}}
	s.Union(&more)
	var listed []byte
	b.within(0, func(n *Node) {
		n.tombstones.List("a", slot.Encode("a", &s))
		listed = n.Changes[len(n.Changes)-1].Value
		n.Changes = n.Changes[:len(n.Changes)-1]
	})
	require.Contains(t, string(listed), "hello")
	out := ReplaceStored(schema.PrefixTombstone+"a", listed, flipped{})
	require.NotContains(t, string(out), "hello")
}
