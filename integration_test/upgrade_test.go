package integration_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kvs/chaos/process"
	"kvs/node"
	"kvs/node/api"
	"kvs/node/client"
)

const upgradeNodes = 3

// A cluster of the commit that the file upgrade_from names becomes one of this program, node by node, while clients
// read and write at every level. Nothing acknowledged is lost, data of the old program is read by the new one, and the
// old program refuses a data folder of a newer format.
func TestUpgrade(t *testing.T) {
	old := buildOld(t, upgradeFrom(t))
	recent := filepath.Join(t.TempDir(), "kvs")
	build(t, "..", recent)

	u := startOld(t, old)
	kept := u.writeKept()
	before := u.dataFormat(1)
	l := u.startLoad()
	for i := 1; i <= upgradeNodes; i++ {
		u.awaitProgress(l)
		require.NoError(t, u.Stop(i, patience))
		u.awaitProgress(l) // two of three go on.
		require.NoError(t, u.Upgrade(i, recent))
		u.awaitServing(i)
		u.awaitProgress(l) // old and new members side by side.
		if i == 2 {
			u.await("new members run operations for each other, beside an old one", func() bool {
				return u.ranForOthers(1)+u.ranForOthers(2) > 0
			})
		}
	}
	u.requireNothingLost(l)
	u.requireKept(kept)

	// Back again: the old program refuses what it does not know, and harms nothing.
	require.NoError(t, u.Stop(1, patience))
	after := u.dataFormat(1)
	if after == before {
		t.Logf("data folders have format %d before and after: the old program may read them", after)
	} else {
		out, code := u.runOld(old, 1)
		require.Equal(t, 1, code, out)
		require.Contains(t, out, fmt.Sprintf("says format %d", after))
		require.Contains(t, out, "start the version of kvs that wrote it")
	}
	u.doNotForward(1)
	require.NoError(t, u.Upgrade(1, recent))
	u.awaitServing(1)
	u.requireKept(kept)
	before23 := u.ranForOthers(2) + u.ranForOthers(3)
	l = u.startLoad()
	u.awaitProgress(l)
	u.await("two members run operations for each other, beside one that does not forward", func() bool {
		return u.ranForOthers(2)+u.ranForOthers(3) > before23
	})
	l.finish()
	require.Zero(t, u.ranForOthers(1))
	require.NoError(t, u.Failures())
}

// upgrading is a cluster of processes whose programs change.
type upgrading struct {
	*process.Cluster
	t   *testing.T
	dir string
}

func startOld(t *testing.T, program string) *upgrading {
	t.Helper()
	u := &upgrading{t: t, dir: t.TempDir()}
	c, err := process.Start(process.Options{Program: program, Dir: u.dir, Nodes: upgradeNodes, Config: fast,
		Rand: rand.New(rand.NewPCG(1, uint64(os.Getpid())))})
	require.NoError(t, err)
	u.Cluster = c
	t.Cleanup(func() {
		for i := 1; i <= upgradeNodes && t.Failed(); i++ {
			log, err := c.Log(i)
			t.Logf("log of n%d (%v):\n%s", i, err, log)
		}
		assert.NoError(t, c.Close())
	})
	for i := 1; i <= upgradeNodes; i++ {
		u.awaitServing(i)
	}
	return u
}

// door is a client of some nodes, or of all.
func (u *upgrading) door(nodes ...int) *client.Client {
	u.t.Helper()
	endpoints := u.Endpoints()
	if len(nodes) > 0 {
		endpoints = nil
		for _, i := range nodes {
			endpoints = append(endpoints, u.Endpoints()[i-1])
		}
	}
	cl, err := client.New(client.DefaultOptions(endpoints...))
	require.NoError(u.t, err)
	u.t.Cleanup(cl.Close)
	return cl
}

func (u *upgrading) await(what string, happened func() bool) {
	u.t.Helper()
	await(u.t, what, happened)
}

// awaitServing waits until node i is ready and sees all others.
func (u *upgrading) awaitServing(i int) {
	u.t.Helper()
	door := u.door(i)
	u.await(fmt.Sprintf("n%d is ready and counts %d alive", i, upgradeNodes), func() bool {
		s, err := door.Status(u.t.Context())
		return err == nil && s.Ready && s.Alive == upgradeNodes
	})
}

// doNotForward turns forwarding off in the configuration of node i, which is stopped.
func (u *upgrading) doNotForward(i int) {
	u.t.Helper()
	name := fmt.Sprintf("n%d", i)
	f, err := os.OpenFile(filepath.Join(u.dir, name, name+".yaml"), os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(u.t, err)
	_, err = f.WriteString("\nlinearizable:\n  forward: false\n")
	require.NoError(u.t, errors.Join(err, f.Close()))
}

// ranForOthers is how many operations node i has run for other members since it was started.
func (u *upgrading) ranForOthers(i int) int {
	u.t.Helper()
	answer, err := http.Get("http://" + strings.TrimPrefix(u.Endpoints()[i-1], "http://") + "/metrics")
	require.NoError(u.t, err)
	defer answer.Body.Close()
	page, err := io.ReadAll(answer.Body)
	require.NoError(u.t, err)
	_, rest, _ := strings.Cut(string(page), "\nkvs_forwards_in_total ")
	count, err := strconv.Atoi(rest[:max(strings.Index(rest, "\n"), 0)])
	require.NoError(u.t, err)
	return count
}

// keptValue is what a path has to show after the upgrade: its version, or nothing.
type keptValue struct {
	level node.Level
	etag  string
	body  string
}

// writeKept writes what has to survive: values and deletions of each level, a value that lives long, and one that was
// written under a condition.
func (u *upgrading) writeKept() map[string]keptValue {
	ctx, kept := u.t.Context(), map[string]keptValue{}
	for n, level := range []node.Level{node.Eventual, node.Quorum, node.Linearizable} {
		door := u.door(n + 1)
		for k := range 30 {
			path := fmt.Sprintf("kept/%s/%02d", level, k)
			w, err := door.Put(ctx, path, level, []byte(path), "text/plain")
			require.NoError(u.t, err)
			kept[path] = keptValue{level, w.ETag, path}
			if k%10 == 9 {
				_, err = door.Delete(ctx, path, level)
				require.NoError(u.t, err)
				kept[path] = keptValue{level: level}
			}
		}
		path := fmt.Sprintf("kept/%s/ends", level)
		w, err := door.PutFor(ctx, path, level, client.Condition{}, 24*time.Hour, []byte(path), "text/plain")
		require.NoError(u.t, err)
		kept[path] = keptValue{level, w.ETag, path}
	}
	w, err := u.door().PutIf(ctx, "kept/once", client.IfAbsent(), []byte("once"), "text/plain")
	require.NoError(u.t, err)
	kept["kept/once"] = keptValue{node.Linearizable, w.ETag, "once"}
	return kept
}

// requireKept reads all of it at every node.
func (u *upgrading) requireKept(kept map[string]keptValue) {
	u.t.Helper()
	for i := 1; i <= upgradeNodes; i++ {
		door := u.door(i)
		for path, want := range kept {
			u.await(fmt.Sprintf("n%d shows %s as it was", i, path), func() bool {
				v, err := door.Get(u.t.Context(), path, want.level)
				if want.etag == "" {
					return client.IsNotFound(err)
				}
				return err == nil && v.ETag == want.etag && string(v.Body) == want.body
			})
		}
	}
	_, err := u.door().PutIf(u.t.Context(), "kept/once", client.IfAbsent(), []byte("twice"), "text/plain")
	var refused *client.Error
	require.True(u.t, errors.As(err, &refused) && refused.Status == 412, "a second creation: %v", err)
}

// upgradeLoad is what clients write meanwhile: each path once, at a level of their own, one counter, and one path
// through every member, which fails while the member is down.
type upgradeLoad struct {
	stop context.CancelFunc
	done sync.WaitGroup

	mu        sync.Mutex
	acked     map[string]string // path to version.
	perLevel  map[node.Level]int
	increased int // acknowledged increments of the counter.
	unknown   int // increments that may have happened.
}

func (u *upgrading) startLoad() *upgradeLoad {
	ctx, cancel := context.WithCancel(u.t.Context())
	l := &upgradeLoad{stop: cancel, acked: map[string]string{}, perLevel: map[node.Level]int{}}
	u.t.Cleanup(l.finish)
	for _, level := range []node.Level{node.Eventual, node.Quorum, node.Linearizable} {
		door := u.door()
		l.done.Go(func() {
			l.each(ctx, func(n int) {
				path := fmt.Sprintf("load/%s/%04d", level, n)
				// A write with an error may have happened or not; nothing is expected of it.
				if w, err := door.Put(ctx, path, level, []byte(path), "text/plain"); err == nil {
					l.mu.Lock()
					l.acked[path] = w.ETag
					l.perLevel[level]++
					l.mu.Unlock()
				}
			})
		})
	}
	door := u.door()
	_, err := door.Put(ctx, "counter", node.Linearizable, []byte("0"), "text/plain")
	require.NoError(u.t, err)
	l.done.Go(func() { l.each(ctx, func(int) { l.increase(ctx, door) }) })
	for i := 1; i <= upgradeNodes; i++ {
		door := u.door(i)
		l.done.Go(func() {
			l.each(ctx, func(int) {
				_, _ = door.Put(ctx, "shared", node.Linearizable, []byte("shared"), "text/plain")
			})
		})
	}
	return l
}

// each calls do at a steady pace until the load ends.
func (l *upgradeLoad) each(ctx context.Context, do func(n int)) {
	tick := time.NewTicker(pace)
	defer tick.Stop()
	for n := 0; n < writesMax; n++ {
		select {
		case <-tick.C:
			do(n)
		case <-ctx.Done():
			return
		}
	}
}

// increase adds one to the counter by compare-and-set.
func (l *upgradeLoad) increase(ctx context.Context, door *client.Client) {
	v, err := door.Get(ctx, "counter", node.Linearizable)
	if err != nil {
		return
	}
	n, _ := strconv.Atoi(string(v.Body))
	_, err = door.PutIf(ctx, "counter", client.IfVersion(v.ETag), []byte(strconv.Itoa(n+1)), "text/plain")
	var refused *client.Error
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case err == nil:
		l.increased++
	case !errors.As(err, &refused) || refused.Outcome == api.Unknown:
		l.unknown++
	}
}

func (l *upgradeLoad) finish() {
	l.stop()
	l.done.Wait()
}

// counts are the acknowledged writes of each kind.
func (l *upgradeLoad) counts() map[string]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := map[string]int{"counter": l.increased}
	for level, n := range l.perLevel {
		all[level.String()] = n
	}
	return all
}

// awaitProgress waits until each kind of client has got on.
func (u *upgrading) awaitProgress(l *upgradeLoad) {
	u.t.Helper()
	const more = 10
	before := l.counts()
	u.await(fmt.Sprintf("each kind of client has %d more writes acknowledged than %v", more, before), func() bool {
		now := l.counts()
		for _, kind := range []string{"counter", "eventual", "quorum", "linearizable"} {
			if now[kind] < before[kind]+more {
				return false
			}
		}
		return true
	})
}

// requireNothingLost waits until all nodes show the same, and requires every acknowledged write in it.
func (u *upgrading) requireNothingLost(l *upgradeLoad) {
	u.t.Helper()
	l.finish()
	var first map[string]string
	u.await("all nodes show the same", func() bool {
		first = u.listing(1)
		for i := 2; i <= upgradeNodes; i++ {
			if !maps.Equal(first, u.listing(i)) {
				return false
			}
		}
		return len(first) >= len(l.acked)
	})
	for path, version := range l.acked {
		require.Equal(u.t, version, first[path], "acknowledged write of %s", path)
	}
	v, err := u.door().Get(u.t.Context(), "counter", node.Linearizable)
	require.NoError(u.t, err)
	n, err := strconv.Atoi(string(v.Body))
	require.NoError(u.t, err)
	require.GreaterOrEqual(u.t, n, l.increased, "acknowledged increments")
	require.LessOrEqual(u.t, n, l.increased+l.unknown, "increments that may have happened")
	u.t.Logf("%v acknowledged; the counter is at %d, %d increments are unknown", l.counts(), n, l.unknown)
}

func (u *upgrading) listing(i int) map[string]string {
	u.t.Helper()
	shown := map[string]string{}
	for e, err := range u.door(i).Entries(
		u.t.Context(), node.ListRequest{Directory: "load/", Recursive: true, Limit: 1000}) {
		require.NoError(u.t, err)
		shown[e.Path] = e.ETag
	}
	return shown
}

// dataFormat is what the marker of node i's data folder says.
func (u *upgrading) dataFormat(i int) int {
	u.t.Helper()
	marker, err := os.ReadFile(filepath.Join(u.dir, fmt.Sprintf("n%d", i), "data", "KVS"))
	require.NoError(u.t, err)
	for line := range strings.Lines(string(marker)) {
		if number, ok := strings.CutPrefix(strings.TrimSpace(line), "format: "); ok {
			format, err := strconv.Atoi(number)
			require.NoError(u.t, err)
			return format
		}
	}
	require.FailNow(u.t, "no format in the marker", "%s", marker)
	return 0
}

// runOld runs the old program on the files of node i, which is stopped, and waits until it has ended.
func (u *upgrading) runOld(program string, i int) (output string, code int) {
	u.t.Helper()
	name := fmt.Sprintf("n%d", i)
	cmd := exec.CommandContext(within(u.t, patience), program, filepath.Join(u.dir, name, name+".yaml"))
	cmd.Env = append(os.Environ(), "KVS_HOME="+filepath.Join(u.dir, name, "home"))
	out, err := cmd.CombinedOutput()
	var ended *exec.ExitError
	require.True(u.t, err == nil || errors.As(err, &ended), "%v", err)
	return string(out), cmd.ProcessState.ExitCode()
}
