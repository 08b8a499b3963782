package host

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node"
	"kvs/node/host/badgerstore"
)

// strongly is one linearizable operation, tried until it is answered or the deadline has passed.
func strongly(t *testing.T, h *Host, op node.OpKind, path, value string) node.Response {
	t.Helper()
	var resp node.Response
	require.Eventually(t, func() bool {
		var err error
		resp, err = h.Do(t.Context(), &node.Request{Op: op, Level: node.Linearizable, Path: path, Value: []byte(value)})
		return err == nil && (resp.Code == node.CodeOK || resp.Code == node.CodeCreated)
	}, patience, 100*time.Millisecond, "%s %s: %v", op, path, &resp)
	return resp
}

func statusOf(t *testing.T, h *Host) node.Status {
	t.Helper()
	st, err := h.Status(t.Context())
	require.NoError(t, err)
	return st
}

// trio starts three members that have founded their cluster.
func trio(t *testing.T) (options [3]Options, hosts [3]*Host) {
	t.Helper()
	a, b, c := testConfig(t), testConfig(t), testConfig(t)
	b.Seeds, c.Seeds, a.Seeds = []string{a.Listen}, []string{a.Listen}, []string{b.Listen, c.Listen}
	a.ExpectedMembers, b.ExpectedMembers, c.ExpectedMembers = 3, 3, 3
	options = [3]Options{testOptions(a), testOptions(b), testOptions(c)}
	for i := range hosts {
		hosts[i] = startHost(t, options[i])
	}
	require.Eventually(t, func() bool {
		for _, h := range hosts {
			if st := statusOf(t, h); st.Config == nil || len(st.Config.Voters) != 3 || st.Mode != node.ModeNormal {
				return false
			}
		}
		return true
	}, patience, 50*time.Millisecond)
	return options, hosts
}

// snapshot copies what a killed process would leave, of a node that writes nothing at the moment.
func snapshot(t *testing.T, dir string) (to string) {
	t.Helper()
	to = t.TempDir()
	require.NoError(t, os.CopyFS(to, os.DirFS(dir)))
	require.NoError(t, os.Remove(filepath.Join(to, "BALLAST")))
	return to
}

// cutLog takes the end off the journal in a folder, from the first place on that holds this text.
func cutLog(t *testing.T, dir, text string) {
	t.Helper()
	logs, err := filepath.Glob(filepath.Join(dir, "journal", "*.segment"))
	require.NoError(t, err)
	for _, name := range logs {
		b, err := os.ReadFile(name)
		require.NoError(t, err)
		if at := strings.Index(string(b), text); at >= 0 {
			clear(b[at:])
			require.NoError(t, os.WriteFile(name, b, 0o600))
			return
		}
	}
	require.Fail(t, "no segment holds it", text)
}

// madeWhole reports whether a member serves, votes, and is done with what its store had lost.
func madeWhole(st *node.Status) bool {
	return st.Mode == node.ModeNormal && !st.Lost && slices.Contains(st.Config.Voters, st.ID)
}

// awaitMember waits until the node has written down who it is.
func awaitMember(t *testing.T, dir string) {
	t.Helper()
	require.Eventually(t, func() bool {
		_, ok := readMember(dir)
		return ok
	}, patience, 20*time.Millisecond)
}

func useFolder(t *testing.T, dir, instead string) {
	t.Helper()
	require.NoError(t, os.RemoveAll(dir))
	require.NoError(t, os.Rename(instead, dir))
}

// The end of a log is lost, and with it one of two copies of an acknowledged linearizable write. The member does not
// vote any more, so the third voter, which never had the write, cannot answer the old value with its help; and it
// makes itself whole by itself.
func TestAMemberThatLostTheEndOfItsLogVotesForNothing(t *testing.T) {
	options, hosts := trio(t)
	a, b, c := hosts[0], hosts[1], hosts[2]
	strongly(t, a, node.OpPut, "k", "old")
	stopHost(t, b)
	strongly(t, c, node.OpPut, "k", "the new value")
	before := statusOf(t, c)
	require.Eventually(t, func() bool { return statusOf(t, c).Booked }, patience, 20*time.Millisecond)
	awaitMember(t, options[2].Config.DataDir)
	killed := snapshot(t, options[2].Config.DataDir)
	stopHost(t, c)
	stopHost(t, a)
	cutLog(t, killed, "the new value")
	useFolder(t, options[2].Config.DataDir, killed)

	b, c = startHost(t, options[1]), startHost(t, options[2])
	st := statusOf(t, c)
	require.NotEqual(t, before.ID, st.ID)
	require.Equal(t, node.ModeSyncing, st.Mode)
	require.Contains(t, st.ModeReasons[0], "in the place of "+before.ID.String())
	require.True(t, st.Lost)
	code, body := request(t, http.MethodGet, "http://"+c.Addr()+"/readyz", "")
	require.Equal(t, http.StatusServiceUnavailable, code)
	require.Contains(t, body, "lost data")
	_, body = request(t, http.MethodGet, "http://"+c.Addr()+"/status", "")
	require.Contains(t, body, "damaged-*")
	for _, h := range []*Host{b, c} { // the old value is nobody's answer.
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		resp, err := h.Do(ctx, &node.Request{Op: node.OpGet, Level: node.Linearizable, Path: "k"})
		cancel()
		require.False(t, err == nil && resp.Code == node.CodeOK, "%v", resp)
	}

	a = startHost(t, options[0])
	require.Equal(t, "the new value", string(strongly(t, b, node.OpGet, "k", "").Record.Value))
	require.Eventually(t, func() bool {
		st := statusOf(t, c)
		return madeWhole(&st) && !slices.Contains(st.Config.Voters, before.ID)
	}, 2*patience, 100*time.Millisecond, "it votes again, under its new identity")
	require.Equal(t, "the new value", string(do(t, c, node.OpGet, "k", "").Record.Value))
	require.Eventually(t, func() bool {
		_, lost := readLost(options[2].Config.DataDir)
		return !lost
	}, patience, 50*time.Millisecond)
	kept, err := filepath.Glob(filepath.Join(options[2].Config.DataDir, "damaged-*", "journal", "*.segment"))
	require.NoError(t, err)
	require.NotEmpty(t, kept, "nothing was removed")
	_ = a
}

// What is damaged on one of three members, and it makes itself whole.
func TestAMemberWithADamagedFolderMakesItselfWhole(t *testing.T) {
	options, hosts := trio(t)
	for i := range 20 {
		strongly(t, hosts[i%3], node.OpPut, fmt.Sprint("k", i), fmt.Sprint("value", i))
	}
	dir := options[2].Config.DataDir
	c := hosts[2]
	for _, damage := range []string{"*.sst", "MANIFEST", "MARK", "KVS", "journal/MARK"} {
		awaitMember(t, dir)
		before := statusOf(t, c)
		stopHost(t, c)
		names, err := filepath.Glob(filepath.Join(dir, damage))
		require.NoError(t, err)
		require.NotEmpty(t, names)
		require.NoError(t, os.Truncate(names[0], 5))
		aside, err := filepath.Glob(filepath.Join(dir, "damaged-*"))
		require.NoError(t, err)
		for _, name := range aside { // as the operator may.
			require.NoError(t, os.RemoveAll(name))
		}
		c = startHost(t, options[2])
		// The next disk may be lost when all voters have caught up: a majority of the former ones has to be there
		// until then.
		require.Eventually(t, func() bool {
			st := statusOf(t, c)
			return st.ID != before.ID && madeWhole(&st) && len(st.Config.Voters) == 3 &&
				!slices.ContainsFunc([]*Host{hosts[0], hosts[1], c}, func(h *Host) bool {
					other := statusOf(t, h)
					return other.Config.Epoch != st.Config.Epoch || other.CaughtUp != st.Config.Epoch
				})
		}, 2*patience, 100*time.Millisecond, damage)
		for i := range 20 {
			require.Equal(t, fmt.Sprint("value", i), string(do(t, c, node.OpGet, fmt.Sprint("k", i), "").Record.Value),
				damage)
		}
	}
}

// A bit of a table rots while a member runs. The member finds it, stops, and makes itself whole when it is started
// again.
func TestAMemberFindsDamageWhileItRuns(t *testing.T) {
	options, hosts := trio(t)
	for i := range 20 {
		strongly(t, hosts[i%3], node.OpPut, fmt.Sprint("k", i), fmt.Sprint("value", i))
	}
	dir := options[2].Config.DataDir
	awaitMember(t, dir)
	before := statusOf(t, hosts[2])
	stopHost(t, hosts[2]) // what is in the journal becomes a table.
	options[2].scrub = &badgerstore.Scrub{NewBytesPerSecond: 1 << 30, OldBytesPerSecond: 1 << 30,
		Look: time.Millisecond, Settled: time.Hour, Listed: time.Hour}
	c, err := Start(t.Context(), options[2])
	require.NoError(t, err)
	tables, err := filepath.Glob(filepath.Join(dir, "*.sst"))
	require.NoError(t, err)
	require.NotEmpty(t, tables)
	for _, name := range tables {
		f, err := os.OpenFile(name, os.O_RDWR, 0)
		if errors.Is(err, os.ErrNotExist) {
			continue // merged.
		}
		require.NoError(t, err)
		_, err = f.WriteAt([]byte("rot"), 100)
		require.NoError(t, err)
		require.NoError(t, f.Sync()) // the scrub reads the disk.
		require.NoError(t, f.Close())
	}
	require.ErrorIs(t, c.Wait(), ErrDamaged)
	require.ErrorContains(t, c.Wait(), ".sst")

	options[2].scrub = nil
	c = startHost(t, options[2])
	require.Eventually(t, func() bool {
		st := statusOf(t, c)
		return st.ID != before.ID && madeWhole(&st)
	}, 2*patience, 100*time.Millisecond)
	for i := range 20 {
		require.Equal(t, fmt.Sprint("value", i), string(do(t, c, node.OpGet, fmt.Sprint("k", i), "").Record.Value))
	}
}

// A node that knows no other member cannot get its data anywhere: a person decides, and nothing is moved or removed.
func TestALoneNodeWithADamagedFolder(t *testing.T) {
	o := testOptions(testConfig(t))
	h := startHost(t, o)
	do(t, h, node.OpPut, "kept", "value")
	do(t, h, node.OpPut, "lost", "the last value")
	awaitMember(t, o.Config.DataDir)
	killed := snapshot(t, o.Config.DataDir)
	stopHost(t, h)
	cutLog(t, killed, "the last value")
	useFolder(t, o.Config.DataDir, killed)
	_, err := Start(t.Context(), o)
	require.ErrorIs(t, err, badgerstore.ErrDamaged)
	require.ErrorContains(t, err, "kvs recover "+o.Config.File+" --damaged --i-accept-data-loss")
	aside, err := filepath.Glob(filepath.Join(o.Config.DataDir, "damaged-*"))
	require.NoError(t, err)
	require.Empty(t, aside)

	off, err := OpenDamaged(o.Config)
	require.NoError(t, err)
	require.NoError(t, off.Close())
	h = startHost(t, o)
	require.Equal(t, "value", string(do(t, h, node.OpGet, "kept", "").Record.Value))
	require.Equal(t, node.CodeNotFound, do(t, h, node.OpGet, "lost", "").Code)
}

func TestNotesAreSealed(t *testing.T) {
	b, err := sealNote(&memberNote{Format: besideFormat, ID: "1234", Addrs: []string{"a:1"}})
	require.NoError(t, err)
	var m memberNote
	require.True(t, unsealNote(b, &m))
	require.Equal(t, "1234", m.ID)
	for i := range b {
		damaged := slices.Clone(b)
		damaged[i] ^= 1
		require.False(t, unsealNote(damaged, &m), "byte %d", i)
	}
	require.False(t, unsealNote(nil, &m))
}
