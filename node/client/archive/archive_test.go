package archive

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node/api"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var when = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

func entry(path, value string) *api.Entry {
	size := len(value)
	e := &api.Entry{Path: path, Name: path, ETag: "1-ab", Timestamp: "1.00000", ContentType: "text/plain", Bytes: &size}
	e.Text, e.Base64 = api.SplitValue([]byte(value))
	return e
}

// makeArchive writes an archive of some blocks.
func makeArchive(t testing.TB, w io.Writer, values int) {
	t.Helper()
	out, err := NewWriter(w, Head{Cluster: "kvs", Founding: "f", Node: "n1", Begun: when,
		State: &State{StrongPrefixes: []string{"orders/"}, Voters: []string{"n1", "n2"}}})
	require.NoError(t, err)
	for i := range values {
		require.NoError(t, out.Add(entry(fmt.Sprintf("p/%04d", i), strings.Repeat(fmt.Sprint(i%10), 100))))
		if i%16 == 15 {
			require.NoError(t, out.Flush())
		}
	}
	_, err = out.Close(when)
	require.NoError(t, err)
}

func readAll(r io.Reader) (paths []string, end End, err error) {
	in, err := NewReader(r)
	if err != nil {
		return nil, end, err
	}
	for {
		e, err := in.Next()
		if errors.Is(err, io.EOF) {
			return paths, in.End, nil
		}
		if err != nil {
			return paths, end, err
		}
		paths = append(paths, e.Path)
	}
}

func TestRoundTrip(t *testing.T) {
	var b bytes.Buffer
	makeArchive(t, &b, 250)
	in, err := NewReader(bytes.NewReader(b.Bytes()))
	require.NoError(t, err)
	require.Equal(t, "kvs", in.Head.Cluster)
	require.Equal(t, []string{"orders/"}, in.Head.State.StrongPrefixes)
	e, err := in.Next()
	require.NoError(t, err)
	require.Equal(t, entry("p/0000", strings.Repeat("0", 100)), e)
	paths, end, err := readAll(bytes.NewReader(b.Bytes()))
	require.NoError(t, err)
	require.Len(t, paths, 250)
	require.Equal(t, 250, end.Values)
	require.EqualValues(t, 25_000, end.Bytes)
	require.Less(t, b.Len(), 50_000, "it is compressed")

	var empty bytes.Buffer
	makeArchive(t, &empty, 0)
	paths, _, err = readAll(&empty)
	require.NoError(t, err)
	require.Empty(t, paths)
}

// The largest value, with bytes that JSON writes longest, fits.
func TestLargestValue(t *testing.T) {
	var b bytes.Buffer
	w, err := NewWriter(&b, Head{})
	require.NoError(t, err)
	value := strings.Repeat("\x01", 8<<20)
	require.NoError(t, w.Add(entry("a", value)))
	require.NoError(t, w.Add(entry("b", "small")))
	_, err = w.Close(when)
	require.NoError(t, err)
	r, err := NewReader(&b)
	require.NoError(t, err)
	e, err := r.Next()
	require.NoError(t, err)
	require.True(t, value == string(api.JoinValue(e.Text, e.Base64)))
}

func TestPathsHaveAnOrder(t *testing.T) {
	w, err := NewWriter(io.Discard, Head{})
	require.NoError(t, err)
	require.NoError(t, w.Add(entry("b", "")))
	require.ErrorContains(t, w.Add(entry("a", "")), "out of order")
	require.ErrorContains(t, w.Add(entry("b", "")), "out of order")
}

// Every file that is cut off, at whatever byte, is refused with the place, and Resume makes it the same as if it had
// not been cut off.
func TestCutOff(t *testing.T) {
	var b bytes.Buffer
	makeArchive(t, &b, 40)
	whole := b.Bytes()
	dir := t.TempDir()
	for cut := range whole {
		_, _, err := readAll(bytes.NewReader(whole[:cut]))
		require.Error(t, err, cut)
		var d *Damage
		if !errors.As(err, &d) {
			require.ErrorIs(t, err, ErrNoArchive)
			require.Less(t, cut, len(magic))
			continue
		}
		require.True(t, d.Truncated)
		require.LessOrEqual(t, d.Offset, int64(cut))
		if cut%97 != 0 || d.Block == 0 { // each needs a file.
			continue
		}
		f, err := os.Create(filepath.Join(dir, "f"))
		require.NoError(t, err)
		_, err = f.Write(whole[:cut])
		require.NoError(t, err)
		_, err = f.Seek(0, io.SeekStart)
		require.NoError(t, err)
		w, head, last, err := Resume(f)
		require.NoError(t, err)
		require.Equal(t, "n1", head.Node)
		for i := range 40 {
			if p := fmt.Sprintf("p/%04d", i); p > last {
				require.NoError(t, w.Add(entry(p, strings.Repeat(fmt.Sprint(i%10), 100))))
			}
			if i%16 == 15 {
				require.NoError(t, w.Flush())
			}
		}
		_, err = w.Close(when)
		require.NoError(t, err)
		require.NoError(t, f.Close())
		got, err := os.ReadFile(f.Name())
		require.NoError(t, err)
		require.Equal(t, whole, got)
	}
	f, err := os.Open(filepath.Join(dir, "f"))
	require.NoError(t, err)
	defer f.Close()
	_, _, _, err = Resume(f)
	require.ErrorIs(t, err, ErrWhole)
}

// Every file in which a byte is another one is refused, with the place.
func TestAltered(t *testing.T) {
	var b bytes.Buffer
	makeArchive(t, &b, 40)
	for at := range b.Bytes() {
		bad := bytes.Clone(b.Bytes())
		bad[at] ^= 1 << (at % 8)
		_, _, err := readAll(bytes.NewReader(bad))
		require.Error(t, err, at)
		var d *Damage
		if errors.As(err, &d) {
			require.LessOrEqual(t, d.Offset, int64(at))
		} else {
			require.Less(t, at, len(magic))
		}
	}
	_, _, err := readAll(io.MultiReader(bytes.NewReader(b.Bytes()), strings.NewReader("x")))
	require.ErrorContains(t, err, "more behind the end")
	bad := bytes.Clone(b.Bytes())
	bad[len(magic)-1] = 7
	_, _, err = readAll(bytes.NewReader(bad))
	require.ErrorContains(t, err, "format 7")

	at := b.Len() * 2 / 3
	bad = bytes.Clone(b.Bytes())
	bad[at] ^= 1
	_, _, err = readAll(bytes.NewReader(bad))
	require.ErrorContains(t, err, `after the path "p/`)
}

// A block that was taken out, or put in twice, is found out by the order or by the end.
func TestBlocksMissing(t *testing.T) {
	var b bytes.Buffer
	w, err := NewWriter(&b, Head{})
	require.NoError(t, err)
	var ends []int
	for i := range 3 {
		require.NoError(t, w.Add(entry(fmt.Sprint(i), "v")))
		require.NoError(t, w.Flush())
		ends = append(ends, b.Len())
	}
	_, err = w.Close(when)
	require.NoError(t, err)
	all := b.Bytes()
	without := append(bytes.Clone(all[:ends[0]]), all[ends[1]:]...)
	_, _, err = readAll(bytes.NewReader(without))
	require.ErrorContains(t, err, "the end says 3 values")
	twice := append(bytes.Clone(all[:ends[1]]), all[ends[0]:]...)
	_, _, err = readAll(bytes.NewReader(twice))
	require.ErrorContains(t, err, `"1" comes after "1"`)
}

// The golden file is an archive of format 1 as it was written first: it stays readable.
func TestGolden(t *testing.T) {
	const name = "testdata/export-1.kvs"
	if *update {
		var b bytes.Buffer
		w, err := NewWriter(&b, Head{Cluster: "kvs", Founding: "f", Node: "n1", Directory: "d/", Begun: when})
		require.NoError(t, err)
		e := entry("d/a", "text")
		e.Expires = "2026-11-29T13:00:00Z"
		require.NoError(t, w.Add(e))
		require.NoError(t, w.Add(entry("d/b", "\x00\xff")))
		_, err = w.Close(when)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(name, b.Bytes(), 0o600))
	}
	b, err := os.ReadFile(name)
	require.NoError(t, err)
	r, err := NewReader(bytes.NewReader(b))
	require.NoError(t, err)
	require.Equal(t, Head{Format: 1, Cluster: "kvs", Founding: "f", Node: "n1", Directory: "d/", Begun: when}, r.Head)
	e, err := r.Next()
	require.NoError(t, err)
	require.Equal(t, "2026-11-29T13:00:00Z", e.Expires)
	e, err = r.Next()
	require.NoError(t, err)
	require.Equal(t, "\x00\xff", string(api.JoinValue(e.Text, e.Base64)))
	_, err = r.Next()
	require.ErrorIs(t, err, io.EOF)
	require.Equal(t, End{Values: 2, Bytes: 6, Ended: when, SHA256: r.End.SHA256}, r.End)
}

// FuzzReader: whatever the file holds, the reader says so and does not panic.
func FuzzReader(f *testing.F) {
	var b bytes.Buffer
	makeArchive(f, &b, 3)
	f.Add(b.Bytes())
	f.Add(b.Bytes()[:20])
	f.Add(pack(kindEnd, []byte("{}")))
	f.Fuzz(func(t *testing.T, content []byte) {
		_, _, _ = readAll(bytes.NewReader(content))
		// the same with checksums that are right.
		rng := rand.New(rand.NewPCG(1, uint64(len(content))))
		fixed := append(magic[:], pack(kindHead, []byte("{}"))...)
		fixed = append(fixed, pack([]byte{kindValues, kindEnd, kindHead, 'x'}[rng.IntN(4)], content)...)
		_, _, _ = readAll(bytes.NewReader(fixed))
	})
}
