package node

import (
	"bytes"
	"encoding/hex"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/node/codec"
	"kvs/node/contract"
	"kvs/node/hlc"
	"kvs/node/slot"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func sampleRecord() slot.Record {
	return slot.Record{
		TS: hlc.Make(1_700_000_000_000, 7), UUID: slot.UUID{1, 2, 3, 4, 5, 6, 0x47, 8, 0x89, 10, 11, 12, 13, 14, 15,
			16},
		Origin: 0xfeedc0de, ContentType: "text/plain", Value: []byte("hello"),
	}
}

// golden compares got with testdata/name, which holds what former versions wrote.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(file, got, 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), string(got), "%s changed: data and members of former versions would not "+
		"be understood", file)
}

func encodeRecord(path string, r *slot.Record) []byte {
	s := slot.Of(r)
	return slot.Encode(path, &s)
}

// sampleConflict is a slot with two candidates and three votes.
func sampleConflict() slot.Slot {
	r := sampleRecord()
	other := r
	other.UUID[0], other.Origin, other.Tombstone, other.ContentType, other.Value = 9, 0xabba, true, "", nil
	a, b := slot.Of(&r), slot.Of(&other)
	out, _ := slot.Merge(&a, &b, 77, other.Origin, slot.NewElectorate(nil))
	return out
}

func TestRecordGolden(t *testing.T) {
	r := sampleRecord()
	b := encodeRecord("a/b", &r)
	conflict := sampleConflict()
	c := slot.Encode("a/b", &conflict)
	golden(t, "slot-v1.hex", []byte(hex.EncodeToString(b)+"\n"+hex.EncodeToString(c)+"\n"))
	r.Expires = r.TS.Wall() + 90_000
	e := encodeRecord("a/b", &r)
	golden(t, "slot-v1-expires.hex", []byte(hex.EncodeToString(e)+"\n"))
	got, err := slot.Decode("a/b", e)
	require.NoError(t, err)
	require.Equal(t, slot.Of(&r), got)
	r.Expires = 0
	got, err = slot.Decode("a/b", b)
	require.NoError(t, err)
	require.Equal(t, slot.Of(&r), got)
	got, err = slot.Decode("a/b", c)
	require.NoError(t, err)
	require.Equal(t, conflict, got)
}

func TestEveryFlippedBitIsFound(t *testing.T) {
	conflict := sampleConflict()
	b := slot.Encode("a/b", &conflict)
	for i := range len(b) * 8 {
		bad := bytes.Clone(b)
		bad[i/8] ^= 1 << (i % 8)
		_, err := slot.Decode("a/b", bad)
		require.ErrorIs(t, err, codec.ErrCorrupt, "bit %d", i)
	}
	for i := range b {
		_, err := slot.Decode("a/b", b[:i])
		require.ErrorIs(t, err, codec.ErrCorrupt, "cut to %d", i)
	}
	_, err := slot.Decode("a/c", b)
	require.ErrorIs(t, err, codec.ErrCorrupt, "a record under another path")
}

func FuzzSlot(f *testing.F) {
	r := sampleRecord()
	conflict := sampleConflict()
	f.Add("a/b", encodeRecord("a/b", &r))
	f.Add("a/b", slot.Encode("a/b", &conflict))
	both := sampleBoth()
	f.Add("a/b", slot.Encode("a/b", &both))
	r.Expires = 1
	f.Add("a/b", encodeRecord("a/b", &r))
	f.Add("x", []byte{})
	f.Fuzz(func(t *testing.T, path string, b []byte) {
		if len(path) > slot.PathBytesMax {
			return
		}
		stored, err := slot.Decode(path, b)
		if err != nil {
			require.ErrorIs(t, err, codec.ErrCorrupt)
			return
		}
		require.Equal(t, b, slot.Encode(path, &stored), "a slot has one encoding")
	})
}

func TestVersionOrderIsTotal(t *testing.T) {
	vs := []slot.Version{{TS: 1, UUID: slot.UUID{1}}, {TS: 1, UUID: slot.UUID{2}}, {TS: 2, UUID: slot.UUID{}},
		{TS: 2, UUID: slot.UUID{0: 255}}}
	for i, v := range vs {
		for j, w := range vs {
			switch {
			case i < j:
				require.Negative(t, v.Compare(w))
			case i > j:
				require.Positive(t, v.Compare(w))
			default:
				require.Zero(t, v.Compare(w))
			}
		}
	}
}

func TestCheckPath(t *testing.T) {
	good := []string{"a", "a/b/c", "ä/€", "a b", "...", strings.Repeat("x", 255), "a//b"[:2] + "b",
		strings.Repeat("x/", 511) + "yz"}
	for _, p := range good {
		require.NoError(t, slot.CheckPath(p), "%q", p)
	}
	bad := []string{"", "/", "/a", "a/", "a//b", ".", "..", "a/../b", "a/.", "a\x00b", "a\nb", "a\x7fb", "a\u0085b",
		"\xff", strings.Repeat("x", 256), strings.Repeat("x/", 512) + "y"}
	for _, p := range bad {
		require.ErrorIs(t, slot.CheckPath(p), slot.ErrBadPath, "%q", p)
	}
	require.NoError(t, slot.CheckDirectory(""))
	require.NoError(t, slot.CheckDirectory("a/b/"))
	for _, d := range []string{"a", "/", "a//", "../"} {
		require.ErrorIs(t, slot.CheckDirectory(d), slot.ErrBadPath, "%q", d)
	}
}

func TestIdentifiersRoundTrip(t *testing.T) {
	u := sampleRecord().UUID
	got, err := slot.ParseUUID(u.String())
	require.NoError(t, err)
	require.Equal(t, u, got)
	for _, bad := range []string{"", "x", strings.Repeat("0", 36), strings.Replace(u.String(), "0", "g", 1)} {
		_, err := slot.ParseUUID(bad)
		require.Error(t, err, bad)
	}
	for l := contract.Eventual; l <= contract.Linearizable; l++ {
		got, err := contract.ParseLevel(l.String())
		require.NoError(t, err)
		require.Equal(t, l, got)
	}
	_, err = contract.ParseLevel("default")
	require.ErrorIs(t, err, contract.ErrUnknownLevel)
}
