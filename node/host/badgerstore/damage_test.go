package badgerstore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/dgraph-io/badger/v4/y"
	"github.com/stretchr/testify/require"

	"kvs/node"
)

// oldMarker makes dir look as version 1 of the format left it.
func oldMarker(t *testing.T, dir string) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(dir, markerName), []byte("format: 1\nstate: ready\n"), 0o600))
}

const damageKeys = 40

func damageValue(i int) string { return fmt.Sprintf("value-%d-%s", i, strings.Repeat("x", 100*(i%7))) }

// killedFolder is what a process leaves that was killed: some data in tables, some in the log alone.
func killedFolder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	s := openT(t, dir)
	for i := range damageKeys / 2 {
		require.NoError(t, s.Apply([]node.Change{put(fmt.Sprint("k", i), damageValue(i))}))
	}
	require.NoError(t, s.Close()) // writes a table.
	s = openT(t, dir)
	for i := damageKeys / 2; i < damageKeys; i++ {
		require.NoError(t, s.Apply([]node.Change{put(fmt.Sprint("k", i), damageValue(i)), put("again", fmt.Sprint(i))}))
	}
	killed := copyFolder(t, dir)
	require.NoError(t, s.Close())
	return killed
}

// whatIsThere opens a folder: an error of a kind that says that data is damaged, or a store that must have everything.
func whatIsThere(t *testing.T, dir string) (refused error) {
	t.Helper()
	s, err := Open(context.Background(), testOptions(dir))
	if err != nil {
		require.True(t, errors.Is(err, ErrDamaged) || errors.Is(err, ErrEmptied) || errors.Is(err, ErrFormat), "%v",
			err)
		require.ErrorContains(t, err, dir)
		require.ErrorContains(t, err, "keep the folder")
		return err
	}
	defer func() { require.NoError(t, s.Close()) }()
	for i := range damageKeys {
		got, found, err := s.Get(fmt.Sprint("k", i))
		require.NoError(t, err)
		require.True(t, found, "k%d is gone, and nothing was said", i)
		require.Equal(t, damageValue(i), string(got))
	}
	got, _, err := s.Get("again")
	require.NoError(t, err)
	require.Equal(t, fmt.Sprint(damageKeys-1), string(got), "an old value shows")
	return nil
}

// one returns the only file, or the last one, of a pattern. Empty ones do not count: they are kept for the next log.
func one(t *testing.T, dir, pattern string) string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, pattern))
	require.NoError(t, err)
	names = slices.DeleteFunc(names, func(name string) bool {
		info, err := os.Stat(name)
		return err != nil || info.Size() == 0
	})
	require.NotEmpty(t, names, pattern)
	return names[len(names)-1]
}

// place is an offset in a file of a folder; below zero: from its end.
type place func(t *testing.T, dir string) int64

func gone(pattern string) func(t *testing.T, dir string) {
	return func(t *testing.T, dir string) { require.NoError(t, os.Remove(one(t, dir, pattern))) }
}

func cut(pattern string, at place) func(t *testing.T, dir string) {
	return func(t *testing.T, dir string) { require.NoError(t, os.Truncate(one(t, dir, pattern), at(t, dir))) }
}

func bit(pattern string, at place) func(t *testing.T, dir string) {
	return func(t *testing.T, dir string) {
		name, off := one(t, dir, pattern), at(t, dir)
		b, err := os.ReadFile(name)
		require.NoError(t, err)
		if off < 0 {
			off += int64(len(b))
		}
		f, err := os.OpenFile(name, os.O_RDWR, 0)
		require.NoError(t, err)
		_, err = f.WriteAt([]byte{b[off] ^ 0x10}, off)
		require.NoError(t, err)
		require.NoError(t, f.Close())
	}
}

// logEnd is where the log of a folder ends.
func logEnd(t *testing.T, dir string) int64 {
	t.Helper()
	l, err := mapLog(one(t, dir, "*.mem"))
	require.NoError(t, err)
	defer l.close()
	at := logHeaderBytes
	for {
		_, _, end := l.transaction(at)
		if end == 0 {
			return int64(at)
		}
		at = end
	}
}

// What is damaged, and what happens: docs/operations.md has the same table.
func TestDamage(t *testing.T) {
	const whole = "" // it opens, and everything is there.
	middle := func(t *testing.T, dir string) int64 { return logEnd(t, dir) / 2 }
	last := func(t *testing.T, dir string) int64 { return logEnd(t, dir) - 3 }
	at := func(at int64) place { return func(*testing.T, string) int64 { return at } }
	cases := map[string]struct {
		damage func(t *testing.T, dir string)
		want   string // part of the error.
	}{
		"nothing": {func(*testing.T, string) {}, whole},

		"log missing":                  {gone("*.mem"), "are lost"},
		"log empty":                    {cut("*.mem", at(0)), "are lost"},
		"log cut off in its header":    {cut("*.mem", at(7)), "are lost"},
		"log cut off in the middle":    {cut("*.mem", middle), "are lost"},
		"log cut off in its last part": {cut("*.mem", last), "are lost"},
		"log, a bit of its header":     {bit("*.mem", at(3)), "header"},
		"log, a bit in the middle":     {bit("*.mem", middle), "is lost"},
		"log, a bit of its last entry": {bit("*.mem", last), "are lost"},

		"table missing":           {gone("*.sst"), "gone"},
		"table empty":             {cut("*.sst", at(0)), "empty"},
		"table cut off":           {cut("*.sst", at(200)), ".sst"},
		"table, a bit":            {bit("*.sst", at(100)), ".sst"},
		"table, a bit of its end": {bit("*.sst", at(-2)), ".sst"},

		"manifest missing":         {gone(manifestName), "MANIFEST is gone"},
		"manifest empty":           {cut(manifestName, at(0)), "MANIFEST"},
		"manifest, a bit":          {bit(manifestName, at(20)), "MANIFEST"},
		"manifest without its end": {cutManifest, "are lost"},

		"value log missing": {gone("*.vlog"), whole}, // it holds nothing.
		"value log empty":   {cut("*.vlog", at(0)), whole},
		"value log, a bit":  {bit("*.vlog", at(100)), whole},

		"mark missing":                  {gone(markName), "mark"},
		"mark, a bit of one slot":       {bit(markName, at(12)), whole},
		"mark, a bit of the other slot": {bit(markName, at(markSlotGap+12)), whole},
		"mark, a bit of both": {func(t *testing.T, dir string) {
			bit(markName, at(12))(t, dir)
			bit(markName, at(markSlotGap+12))(t, dir)
		}, "mark"},

		"reserve missing": {func(_ *testing.T, dir string) {
			_ = os.Remove(filepath.Join(dir, ballastName))
		}, whole},
		"discard list missing": {gone("DISCARD"), whole},
		"key registry missing": {gone("KEYREGISTRY"), whole},
		"key registry, a bit":  {bit("KEYREGISTRY", at(18)), "registry"},
	}
	killed := killedFolder(t)
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			dir := copyFolder(t, killed)
			c.damage(t, dir)
			before := names(t, dir)
			err := whatIsThere(t, dir)
			if c.want == whole {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.want)
			require.Equal(t, before, names(t, dir), "what is left can still be saved")
			require.Error(t, whatIsThere(t, dir), "it was refused, and looks whole now")
		})
	}
}

// names lists a folder with the lengths of its files.
func names(t *testing.T, dir string) (list []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		info, err := e.Info()
		require.NoError(t, err)
		next := info.Size() == 0 && filepath.Ext(e.Name()) == logSuffix // a log that Badger has not taken.
		if e.Name() != lockName && e.Name() != checkedName && !next {
			list = append(list, fmt.Sprint(e.Name(), " ", info.Size()))
		}
	}
	return list
}

// cutManifest takes the last change off, which named the table.
func cutManifest(t *testing.T, dir string) {
	name := filepath.Join(dir, manifestName)
	info, err := os.Stat(name)
	require.NoError(t, err)
	require.NoError(t, os.Truncate(name, info.Size()-3))
	require.NoError(t, os.Remove(one(t, dir, "*.mem"))) // all that came after it as well.
}

// Any byte of the log may rot: either everything is there, or the store is refused. Every 7th is enough to meet each
// field.
func TestAnyByteOfTheLog(t *testing.T) {
	killed := killedFolder(t)
	end := logEnd(t, killed)
	name := filepath.Base(one(t, killed, "*.mem"))
	whole, err := os.ReadFile(filepath.Join(killed, name))
	require.NoError(t, err)
	m, err := readMark(killed)
	require.NoError(t, err)
	dir := t.TempDir()
	for at := int64(logHeaderBytes); at < end; at += 7 {
		b := append([]byte(nil), whole[:end+100]...)
		b[at] ^= 1 << (at % 8)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), b, 0o600))
		for _, upTo := range []uint64{m.last, math.MaxUint64} { // of the current format, and of an older one.
			span := logSpan{upTo: upTo}
			err := span.readLogs(dir)
			if err == nil {
				err = logsFit(&span, m)
			}
			require.Error(t, err, "byte %d", at)
		}
	}
}

// A crash tears the end of the log: what was never acknowledged may be there in part, and that is no damage.
func TestTornEnd(t *testing.T) {
	killed := killedFolder(t)
	m, err := readMark(killed)
	require.NoError(t, err)
	end := logEnd(t, killed)
	for name, torn := range map[string][]byte{
		"half an entry":              logEntryBytes("dnext", m.last+1, metaTransaction, "value")[:10],
		"an entry of a transaction":  logEntryBytes("dnext", m.last+1, metaTransaction, "value"),
		"a hole, and its end":        append(make([]byte, 64), logEndBytes(m.last+1)...),
		"nothing that makes a sense": []byte(strings.Repeat("junk", 50)),
	} {
		t.Run(name, func(t *testing.T) {
			dir := copyFolder(t, killed)
			f, err := os.OpenFile(one(t, dir, "*.mem"), os.O_RDWR, 0)
			require.NoError(t, err)
			_, err = f.WriteAt(torn, end)
			require.NoError(t, err)
			require.NoError(t, f.Close())
			require.NoError(t, whatIsThere(t, dir))
			require.NoError(t, whatIsThere(t, dir))
		})
	}
	t.Run("a later transaction", func(t *testing.T) { // then the one before it was on disk: it is no torn end.
		dir := copyFolder(t, killed)
		f, err := os.OpenFile(one(t, dir, "*.mem"), os.O_RDWR, 0)
		require.NoError(t, err)
		_, err = f.WriteAt(append(make([]byte, 64), logEndBytes(m.last+2)...), end)
		require.NoError(t, err)
		require.NoError(t, f.Close())
		older := copyFolder(t, dir)
		require.NoError(t, writeMarker(older, folderMarker{state: stateReady, format: formatSynced}))
		require.ErrorIs(t, whatIsThere(t, older), ErrDamaged)
		require.NoError(t, whatIsThere(t, dir), "neither was promised")
	})
}

// logEntryBytes is an entry as Badger writes it.
func logEntryBytes(key string, number uint64, meta byte, value string) []byte {
	k := y.KeyWithTs([]byte(key), number)
	b := []byte{meta, 0}
	b = binary.AppendUvarint(b, uint64(len(k)))
	b = binary.AppendUvarint(b, uint64(len(value)))
	b = binary.AppendUvarint(b, 0)
	b = append(append(b, k...), value...)
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// logEndBytes is the last entry of a transaction.
func logEndBytes(number uint64) []byte {
	return logEntryBytes("!badger!txn", number, metaEnd, fmt.Sprint(number))
}

// Transactions that follow each other over several logs: one in the middle that vanishes is missed.
func TestLogInTheMiddle(t *testing.T) {
	dir := t.TempDir()
	header := make([]byte, logHeaderBytes)
	log := func(n int, numbers ...uint64) {
		b := append([]byte(nil), header...)
		for _, number := range numbers {
			b = append(b, logEntryBytes("snumber", number, metaTransaction, "n")...)
			b = append(b, logEndBytes(number)...)
		}
		name := filepath.Join(dir, fmt.Sprintf("%05d.mem", n))
		require.NoError(t, os.WriteFile(name, append(b, make([]byte, 50)...), 0o600))
	}
	log(1, 11, 12)
	log(2, 13)
	log(3, 14, 15)
	read := func() (*logSpan, error) {
		span := &logSpan{upTo: math.MaxUint64}
		return span, span.readLogs(dir)
	}
	span, err := read()
	require.NoError(t, err)
	require.Equal(t, []any{uint64(11), uint64(15), true}, []any{span.first, span.last, span.numbered})
	m := &mark{last: 15, since: 3}
	fit := func(tables uint64, m *mark) error {
		span.tables = tables
		return logsFit(span, m)
	}
	require.NoError(t, fit(10, m))
	require.NoError(t, fit(12, m), "a table was written, and its log not removed yet")
	require.ErrorContains(t, fit(9, m), "10 to 10 are lost")
	require.NoError(t, fit(9, &mark{last: 15, since: 11}), "numbers began later")
	m.last = 16
	require.ErrorContains(t, fit(10, m), "16 to 16 are lost")

	require.NoError(t, os.Remove(filepath.Join(dir, "00002.mem")))
	_, err = read()
	require.ErrorContains(t, err, "13 to 13 are lost")
	log(2, 13)
	log(1, 11)
	_, err = read()
	require.ErrorContains(t, err, "12 to 12 are lost")
	log(3)
	log(2)
	span, err = read()
	require.NoError(t, err)
	require.Equal(t, uint64(11), span.last)
}

// A folder of version 1 has no mark: it is taken as it is, and has one from then on.
func TestOldFolderGetsItsMark(t *testing.T) {
	dir := killedFolder(t)
	oldMarker(t, dir)
	require.NoError(t, os.Remove(filepath.Join(dir, markName)))
	require.NoError(t, whatIsThere(t, dir))
	m, err := readMarker(dir)
	require.NoError(t, err)
	require.True(t, m.current())
	require.NoError(t, os.Remove(filepath.Join(dir, markName)))
	require.ErrorIs(t, whatIsThere(t, dir), ErrDamaged)
}

// A person may decide to go on without what is lost.
func TestAcceptLoss(t *testing.T) {
	dir := killedFolder(t)
	bit("*.mem", func(t *testing.T, dir string) int64 { return logEnd(t, dir) / 2 })(t, dir)
	require.ErrorIs(t, whatIsThere(t, dir), ErrDamaged)
	o := testOptions(dir)
	o.AcceptLoss = true
	s, err := Open(t.Context(), o)
	require.NoError(t, err)
	_, found, err := s.Get("k0")
	require.NoError(t, err)
	require.True(t, found)
	_, found, err = s.Get(fmt.Sprint("k", damageKeys-1))
	require.NoError(t, err)
	require.False(t, found)
	require.NoError(t, s.Apply([]node.Change{put("new", "value")}))
	require.NoError(t, s.Close())
	s = openT(t, dir) // what is there now is what there is.
	_, found, err = s.Get("new")
	require.NoError(t, err)
	require.True(t, found)
}
