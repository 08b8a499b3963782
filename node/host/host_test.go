package host

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/chaos/ports"
	"kvs/node"
	"kvs/node/host/config"
)

// patience is a deadline for what ought to happen soon.
const patience = time.Minute // a deadline for what ought to happen at once.

// freePort finds a port that nobody listens on, by TCP and by UDP.
func freePort(t testing.TB) int {
	t.Helper()
	port, err := ports.Free(1)
	require.NoError(t, err)
	return port
}

// testConfig is a node's configuration with a data folder of its own and a quick failure detector.
func testConfig(t testing.TB, seeds ...string) *config.Config {
	t.Helper()
	c := config.Default()
	c.Listen = fmt.Sprintf("127.0.0.1:%d", freePort(t))
	c.Seeds = seeds
	c.Gossip.ProbeInterval, c.Gossip.ProbeTimeout = 200*time.Millisecond, 100*time.Millisecond
	c.Gossip.DeadDialInterval = 200 * time.Millisecond
	c.Disk.LowWatermark, c.Disk.HighWatermark = 32<<20, 33<<20
	dir := t.TempDir()
	c.Resolve(filepath.Join(dir, filepath.Base(dir)+".yaml"))
	require.NoError(t, c.Check())
	return &c
}

func testOptions(c *config.Config) Options {
	return Options{Config: c, Logger: slog.New(slog.DiscardHandler), Clock: RealClock(), Version: "test"}
}

func startHost(t *testing.T, o Options) *Host {
	t.Helper()
	h, err := Start(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() { stopHost(t, h) })
	return h
}

func stopHost(t *testing.T, h *Host) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	require.NoError(t, h.Stop(ctx))
}

// do runs one operation with a deadline that is never reached.
func do(t *testing.T, h *Host, op node.OpKind, path, value string) node.Response {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	resp, err := h.Do(ctx, &node.Request{Op: op, Level: node.Eventual, Path: path, Value: []byte(value)})
	require.NoError(t, err)
	return resp
}

func request(t *testing.T, method, url, body string) (status int, answer string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/octet-stream")
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	b, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	return resp.StatusCode, string(b)
}

func TestASingleNodeKeepsItsDataOverARestart(t *testing.T) {
	o := testOptions(testConfig(t))
	h := startHost(t, o)
	url := "http://" + h.Addr() + "/kv/"
	status, _ := request(t, http.MethodPut, url+"a/b", "one")
	require.Equal(t, http.StatusCreated, status)
	require.Equal(t, node.CodeCreated, do(t, h, node.OpPut, "a/c", "two").Code)
	require.Equal(t, node.CodeOK, do(t, h, node.OpDelete, "a/c", "").Code)
	before, err := h.Status(t.Context())
	require.NoError(t, err)
	stopHost(t, h)
	require.NoError(t, h.Wait())

	o.Clock = RealClock()
	h = startHost(t, o)
	status, body := request(t, http.MethodGet, url+"a/b", "")
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, "one", body)
	status, _ = request(t, http.MethodGet, url+"a/c", "")
	require.Equal(t, http.StatusNotFound, status)
	after, err := h.Status(t.Context())
	require.NoError(t, err)
	require.Equal(t, before.ID, after.ID, "the identity is that of the data folder")
	require.Greater(t, after.Clock, before.Clock)
}

func TestThreeNodesShareWhatIsWritten(t *testing.T) {
	c1 := testConfig(t)
	h1 := startHost(t, testOptions(c1))
	h2 := startHost(t, testOptions(testConfig(t, c1.Listen)))
	h3 := startHost(t, testOptions(testConfig(t, c1.Listen)))
	for _, h := range []*Host{h1, h2, h3} {
		require.Eventually(t, func() bool {
			s, err := h.Status(t.Context())
			return err == nil && len(s.Members) == 3
		}, patience, 5*time.Millisecond)
	}
	for i := range 50 {
		require.Equal(t, node.CodeCreated, do(t, h1, node.OpPut, fmt.Sprintf("k%d", i), "v").Code)
	}
	status, _ := request(t, http.MethodPut, "http://"+h2.Addr()+"/kv/from/two", "2")
	require.Equal(t, http.StatusCreated, status)
	require.Eventually(t, func() bool {
		for i := range 50 {
			if r, err := h3.View().Get(fmt.Sprintf("k%d", i)); err != nil || string(r.Value) != "v" {
				return false
			}
		}
		status, body := request(t, http.MethodGet, "http://"+h3.Addr()+"/kv/from/two", "")
		return status == http.StatusOK && body == "2"
	}, patience, 5*time.Millisecond)
}

// A graceful stop hands the peers what they have not got yet.
func TestStopFlushesReplication(t *testing.T) {
	c1 := testConfig(t)
	h1 := startHost(t, testOptions(c1))
	h2 := startHost(t, testOptions(testConfig(t, c1.Listen)))
	require.Eventually(t, func() bool {
		s, err := h1.Status(t.Context())
		return err == nil && len(s.Peers) == 1
	}, patience, 5*time.Millisecond)
	for i := range 300 {
		require.Equal(t, node.CodeCreated, do(t, h1, node.OpPut, fmt.Sprintf("k%d", i), strings.Repeat("v", 1000)).Code)
	}
	stopHost(t, h1)
	for i := range 300 {
		r, err := h2.View().Get(fmt.Sprintf("k%d", i))
		require.NoError(t, err)
		require.True(t, r.Live(), "k%d", i)
	}
}

// Writers go on while the node stops: whatever was acknowledged is there afterwards.
func TestStopLosesNothing(t *testing.T) {
	o := testOptions(testConfig(t))
	h := startHost(t, o)
	const writers = 8
	acknowledged, ends := make([][]string, writers), make([]error, writers)
	started := make(chan struct{}, writers)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := 0; ; i++ {
				path := fmt.Sprintf("w%d/%d", w, i)
				resp, err := h.Do(context.Background(),
					&node.Request{Op: node.OpPut, Level: node.Eventual, Path: path, Value: []byte(path)})
				if err != nil || resp.Code != node.CodeCreated {
					ends[w] = fmt.Errorf("%w, code %v", err, resp.Code)
					return
				}
				acknowledged[w] = append(acknowledged[w], path)
				if i == 20 {
					started <- struct{}{}
				}
			}
		})
	}
	for range writers {
		<-started
	}
	stopHost(t, h)
	wg.Wait()
	for _, end := range ends {
		require.ErrorIs(t, end, ErrStopped)
	}

	o.Clock = RealClock()
	h = startHost(t, o)
	for _, paths := range acknowledged {
		for _, path := range paths {
			r, err := h.View().Get(path)
			require.NoError(t, err)
			require.Equal(t, path, string(r.Value))
		}
	}
	_, err := h.Do(canceled(), &node.Request{Op: node.OpPut, Level: node.Eventual, Path: "x"})
	if err != nil { // the loop may have been quicker.
		require.ErrorIs(t, err, context.Canceled)
	}
}

func canceled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

func TestAPortInUseIsAClearError(t *testing.T) {
	c := testConfig(t)
	l, err := net.Listen("tcp", c.Listen)
	require.NoError(t, err)
	_, err = Start(t.Context(), testOptions(c))
	_, port, _ := net.SplitHostPort(c.Listen)
	require.ErrorContains(t, err, "cannot listen on "+c.Listen+" (TCP)")
	require.ErrorContains(t, err, "port "+port+" is in use by another process")
	require.ErrorContains(t, err, c.File)
	require.NoDirExists(t, c.DataDir)
	require.NoError(t, l.Close())

	u, err := net.ListenPacket("udp", c.Listen)
	require.NoError(t, err)
	_, err = Start(t.Context(), testOptions(c))
	require.ErrorContains(t, err, "(UDP)")
	require.ErrorContains(t, err, "in use by another process")
	require.NoError(t, u.Close())
	startHost(t, testOptions(c)) // nothing of the failed starts is left behind.
}

func TestAnAddressOfAnotherMachineIsAClearError(t *testing.T) {
	c := testConfig(t)
	c.Listen, c.Advertise, c.Insecure = "192.0.2.1:7001", "192.0.2.1:7001", true
	_, err := Start(t.Context(), testOptions(c))
	require.ErrorContains(t, err, "this machine has no such address")
}

func TestAnUnusableDataFolderIsAClearError(t *testing.T) {
	c := testConfig(t)
	require.NoError(t, os.MkdirAll(filepath.Dir(c.DataDir), 0o755))
	require.NoError(t, os.WriteFile(c.DataDir, []byte("a file"), 0o644))
	_, err := Start(t.Context(), testOptions(c))
	require.ErrorContains(t, err, c.DataDir)
	require.ErrorContains(t, err, "choose another folder")

	c.DataDir = "/proc/kvs"
	_, err = Start(t.Context(), testOptions(c))
	require.ErrorContains(t, err, "/proc/kvs")
}

func TestTwoNodesDoNotShareADataFolder(t *testing.T) {
	c := testConfig(t)
	startHost(t, testOptions(c))
	other := testConfig(t)
	other.DataDir = c.DataDir
	_, err := Start(t.Context(), testOptions(other))
	require.ErrorContains(t, err, "in use")
}

func TestDataOfAnotherClusterIsRefused(t *testing.T) {
	c := testConfig(t)
	stopHost(t, startHost(t, testOptions(c)))
	c.Cluster = "another"
	_, err := Start(t.Context(), testOptions(c))
	require.ErrorContains(t, err, "another")
}

func TestStartChecksItsOptions(t *testing.T) {
	_, err := Start(t.Context(), Options{})
	require.ErrorContains(t, err, "required")
	c := testConfig(t)
	c.Name = ""
	_, err = Start(t.Context(), testOptions(c))
	require.ErrorContains(t, err, "name")
	_, err = Start(canceled(), testOptions(testConfig(t)))
	require.ErrorIs(t, err, context.Canceled)
}

func TestStopMayComeAtOnceAndTwice(t *testing.T) {
	o := testOptions(testConfig(t))
	for range 5 {
		o.Clock = RealClock()
		h, err := Start(t.Context(), o)
		require.NoError(t, err)
		second := make(chan error, 1)
		go func() { second <- h.Stop(context.Background()) }()
		require.NoError(t, h.Stop(context.Background()))
		require.NoError(t, <-second)
		require.NoError(t, h.Wait())
		_, err = h.Status(t.Context())
		require.ErrorIs(t, err, ErrStopped)
		require.ErrorIs(t, h.Frames([]byte{1, 1, 0, 0, 0, 9}, ""), ErrStopped)
	}
}

func TestLeaveTellsTheOthers(t *testing.T) {
	c1 := testConfig(t)
	h1 := startHost(t, testOptions(c1))
	h2 := startHost(t, testOptions(testConfig(t, c1.Listen)))
	peers := func(h *Host, n int) func() bool {
		return func() bool {
			s, err := h.Status(t.Context())
			return err == nil && len(s.Peers) == n
		}
	}
	require.Eventually(t, peers(h1, 1), patience, 5*time.Millisecond)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	require.NoError(t, h2.Leave(ctx, false))
	require.Eventually(t, peers(h1, 0), patience, 5*time.Millisecond)
}

// skewed is a machine whose wall clock is wrong.
type skewed struct {
	Clock
	millis int64
}

func (s skewed) Wall() int64 { return s.Clock.Wall() + s.millis }

func TestTheWallClockIsTheOneGiven(t *testing.T) {
	o := testOptions(testConfig(t))
	o.Clock = skewed{RealClock(), 3_600_000}
	h := startHost(t, o)
	ts := do(t, h, node.OpPut, "a", "b").Record.TS
	require.GreaterOrEqual(t, ts.Wall(), time.Now().UnixMilli()+3_500_000)
}

func TestReachable(t *testing.T) {
	for in, want := range map[string]string{"0.0.0.0": "127.0.0.1:9", "::": "[::1]:9", "10.1.1.1": "10.1.1.1:9"} {
		require.Equal(t, want, reachable(&net.TCPAddr{IP: net.ParseIP(in), Port: 9}))
	}
}

// A node answers from the first moment that it is starting, while its store is being opened, which may take long.
func TestItAnswersWhileItStarts(t *testing.T) {
	o := testOptions(testConfig(t))
	heard := ""
	o.Listening = func(addr string) {
		heard = addr
		status, body := request(t, http.MethodGet, "http://"+addr+"/livez", "")
		require.Equal(t, http.StatusOK, status)
		require.Contains(t, body, `"starting":{"phase":"`)
		for _, target := range []string{"/readyz", "/status", "/kv/a", "/metrics"} {
			status, body = request(t, http.MethodGet, "http://"+addr+target, "")
			require.Equal(t, http.StatusServiceUnavailable, status)
			require.Contains(t, body, `"code":"starting"`)
		}
		status, body = request(t, http.MethodPut, "http://"+addr+"/kv/a", "v")
		require.Equal(t, http.StatusServiceUnavailable, status)
		require.Contains(t, body, `"outcome":"not_applied"`)
	}
	h := startHost(t, o)
	require.Equal(t, h.Addr(), heard)
	status, body := request(t, http.MethodGet, "http://"+heard+"/livez", "")
	require.Equal(t, http.StatusOK, status)
	require.NotContains(t, body, "starting")

	// A start that fails lets go of the port.
	o = testOptions(testConfig(t))
	o.Listening = func(addr string) { heard = addr }
	require.NoError(t, os.MkdirAll(filepath.Dir(o.Config.DataDir), 0o700))
	require.NoError(t, os.WriteFile(o.Config.DataDir, nil, 0o600))
	_, err := Start(t.Context(), o)
	require.Error(t, err)
	l, err := net.Listen("tcp", heard)
	require.NoError(t, err)
	require.NoError(t, l.Close())
}
