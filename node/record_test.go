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

	"kvs/node/hlc"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func sampleRecord() Record {
	return Record{
		TS: hlc.Make(1_700_000_000_000, 7), UUID: UUID{1, 2, 3, 4, 5, 6, 0x47, 8, 0x89, 10, 11, 12, 13, 14, 15, 16},
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
	require.Equal(t, string(want), string(got), "%s changed: data and members of former versions would not be understood", file)
}

func encodeRecord(path string, r *Record) []byte {
	s := SlotOf(r)
	return EncodeSlot(path, &s)
}

// sampleConflict is a slot with two candidates and three votes.
func sampleConflict() Slot {
	r := sampleRecord()
	other := r
	other.UUID[0], other.Origin, other.Tombstone, other.ContentType, other.Value = 9, 0xabba, true, "", nil
	a, b := SlotOf(&r), SlotOf(&other)
	out, _ := mergeSlots(&a, &b, 77, other.Origin, NewElectorate(nil))
	return out
}

func TestRecordGolden(t *testing.T) {
	r := sampleRecord()
	b := encodeRecord("a/b", &r)
	conflict := sampleConflict()
	c := EncodeSlot("a/b", &conflict)
	golden(t, "slot-v1.hex", []byte(hex.EncodeToString(b)+"\n"+hex.EncodeToString(c)+"\n"))
	r.Expires = r.TS.Wall() + 90_000
	e := encodeRecord("a/b", &r)
	golden(t, "slot-v1-expires.hex", []byte(hex.EncodeToString(e)+"\n"))
	got, err := DecodeSlot("a/b", e)
	require.NoError(t, err)
	require.Equal(t, SlotOf(&r), got)
	r.Expires = 0
	got, err = DecodeSlot("a/b", b)
	require.NoError(t, err)
	require.Equal(t, SlotOf(&r), got)
	got, err = DecodeSlot("a/b", c)
	require.NoError(t, err)
	require.Equal(t, conflict, got)
}

func TestEveryFlippedBitIsFound(t *testing.T) {
	conflict := sampleConflict()
	b := EncodeSlot("a/b", &conflict)
	for i := range len(b) * 8 {
		bad := bytes.Clone(b)
		bad[i/8] ^= 1 << (i % 8)
		_, err := DecodeSlot("a/b", bad)
		require.ErrorIs(t, err, ErrCorrupt, "bit %d", i)
	}
	for i := range b {
		_, err := DecodeSlot("a/b", b[:i])
		require.ErrorIs(t, err, ErrCorrupt, "cut to %d", i)
	}
	_, err := DecodeSlot("a/c", b)
	require.ErrorIs(t, err, ErrCorrupt, "a record under another path")
}

func FuzzSlot(f *testing.F) {
	r := sampleRecord()
	conflict := sampleConflict()
	f.Add("a/b", encodeRecord("a/b", &r))
	f.Add("a/b", EncodeSlot("a/b", &conflict))
	both := sampleBoth()
	f.Add("a/b", EncodeSlot("a/b", &both))
	r.Expires = 1
	f.Add("a/b", encodeRecord("a/b", &r))
	f.Add("x", []byte{})
	f.Fuzz(func(t *testing.T, path string, b []byte) {
		if len(path) > PathBytesMax {
			return
		}
		slot, err := DecodeSlot(path, b)
		if err != nil {
			require.ErrorIs(t, err, ErrCorrupt)
			return
		}
		require.Equal(t, b, EncodeSlot(path, &slot), "a slot has one encoding")
	})
}

func TestVersionOrderIsTotal(t *testing.T) {
	vs := []Version{{1, UUID{1}}, {1, UUID{2}}, {2, UUID{}}, {2, UUID{0: 255}}}
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
	good := []string{"a", "a/b/c", "ä/€", "a b", "...", strings.Repeat("x", 255), "a//b"[:2] + "b", strings.Repeat("x/", 511) + "yz"}
	for _, p := range good {
		require.NoError(t, CheckPath(p), "%q", p)
	}
	bad := []string{"", "/", "/a", "a/", "a//b", ".", "..", "a/../b", "a/.", "a\x00b", "a\nb", "a\x7fb", "a\u0085b", "\xff", strings.Repeat("x", 256), strings.Repeat("x/", 512) + "y"}
	for _, p := range bad {
		require.ErrorIs(t, CheckPath(p), ErrBadPath, "%q", p)
	}
	require.NoError(t, CheckDirectory(""))
	require.NoError(t, CheckDirectory("a/b/"))
	for _, d := range []string{"a", "/", "a//", "../"} {
		require.ErrorIs(t, CheckDirectory(d), ErrBadPath, "%q", d)
	}
}

func TestIdentifiersRoundTrip(t *testing.T) {
	u := sampleRecord().UUID
	got, err := ParseUUID(u.String())
	require.NoError(t, err)
	require.Equal(t, u, got)
	for _, bad := range []string{"", "x", strings.Repeat("0", 36), strings.Replace(u.String(), "0", "g", 1)} {
		_, err := ParseUUID(bad)
		require.Error(t, err, bad)
	}
	for l := Eventual; l <= Linearizable; l++ {
		got, err := ParseLevel(l.String())
		require.NoError(t, err)
		require.Equal(t, l, got)
	}
	_, err = ParseLevel("default")
	require.ErrorIs(t, err, ErrUnknownLevel)
}
