package console

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// patience bounds each wait for something that happens by itself. No test fails for being slow before it.
const patience = 60 * time.Second

// eventually waits until done says so.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	ticker := time.NewTicker(30 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(patience); !done(); <-ticker.C {
		require.True(t, time.Now().Before(deadline), "still waiting: %s", what)
	}
}

// program is kvs: the one that was named, or one that is built here.
var program = sync.OnceValues(func() (string, error) {
	if named := os.Getenv("KVS_PROGRAM"); named != "" {
		return filepath.Abs(named)
	}
	path := filepath.Join(folder, "kvs")
	cmd := exec.Command("go", "build", "-C", "../..", "-trimpath", "-o", path, "./cmd/kvs")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build kvs: %w: %s", err, out)
	}
	return path, nil
})

// cluster is nodes of this machine, each a process.
type cluster struct {
	t     *testing.T
	dir   string
	base  int // port of the first node.
	nodes int
	http  *http.Client
	url   string // scheme.
	token string // shown by do; empty: none.
	procs []*exec.Cmd
}

// newCluster starts nodes with configurations that change has been at.
func newCluster(t *testing.T, nodes int, change func(*cluster), flags ...string) *cluster {
	t.Helper()
	kvs, err := program()
	require.NoError(t, err)
	c := &cluster{t: t, dir: t.TempDir(), base: freePorts(t, nodes), nodes: nodes, url: "http://",
		http: &http.Client{Timeout: 20 * time.Second}, procs: make([]*exec.Cmd, nodes)}
	out, err := exec.Command(kvs, append([]string{"init", "--dir", c.dir, "--nodes", fmt.Sprint(nodes), "--base-port",
		fmt.Sprint(c.base)}, flags...)...).CombinedOutput()
	require.NoError(t, err, string(out))
	if change != nil {
		change(c)
	}
	t.Cleanup(func() {
		for i := range c.procs {
			c.stop(i)
		}
	})
	for i := range nodes {
		c.start(i)
	}
	eventually(t, "the cluster is founded", func() bool {
		for i := range nodes {
			status, body := c.try(http.MethodGet, i, "/status", "")
			if status != http.StatusOK || strings.Contains(body, `"epoch":0`) ||
				!strings.Contains(body, fmt.Sprintf(`"members_alive":%d`, nodes)) {
				return false
			}
		}
		return true
	})
	return c
}

// freePorts finds the first of n ports in a row that are free for TCP and UDP.
func freePorts(t *testing.T, n int) int {
	t.Helper()
	for range 100 {
		base := 20000 + rand.IntN(10000)
		var open []io.Closer
		for port := base; port < base+n; port++ {
			address := fmt.Sprintf("127.0.0.1:%d", port)
			if l, err := net.Listen("tcp", address); err == nil {
				open = append(open, l)
			}
			if p, err := net.ListenPacket("udp", address); err == nil {
				open = append(open, p)
			}
		}
		for _, o := range open {
			require.NoError(t, o.Close())
		}
		if len(open) == 2*n {
			return base
		}
	}
	require.Fail(t, "no free ports")
	return 0
}

func (c *cluster) config(i int) string { return filepath.Join(c.dir, fmt.Sprintf("node%d.yaml", i+1)) }

// edit replaces a text in all configurations.
func (c *cluster) edit(old, new string) {
	c.t.Helper()
	for i := range c.nodes {
		text, err := os.ReadFile(c.config(i))
		require.NoError(c.t, err)
		require.Contains(c.t, string(text), old)
		require.NoError(c.t, os.WriteFile(c.config(i), bytes.ReplaceAll(text, []byte(old), []byte(new)), 0o644))
	}
}

// start starts a node in the foreground. It ends with the test, also if that is killed.
func (c *cluster) start(i int) {
	c.t.Helper()
	kvs, err := program()
	require.NoError(c.t, err)
	cmd := exec.Command(kvs, c.config(i))
	cmd.Env = append(os.Environ(), "KVS_TEST_FAULTS=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	log, err := os.OpenFile(filepath.Join(c.dir, fmt.Sprintf("node%d.log", i+1)),
		os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	require.NoError(c.t, err)
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	require.NoError(c.t, cmd.Start())
	c.procs[i] = cmd
}

// stop kills a node.
func (c *cluster) stop(i int) {
	if c.procs[i] == nil {
		return
	}
	_ = c.procs[i].Process.Kill()
	_ = c.procs[i].Wait() // how it ended is known.
	c.procs[i] = nil
}

func (c *cluster) address(i int) string { return fmt.Sprintf("127.0.0.1:%d", c.base+i) }

// page is the console of a node.
func (c *cluster) page(i int) string { return c.url + c.address(i) + "/ui" }

// try asks a node; status is zero when it does not answer.
func (c *cluster) try(method string, i int, target, body string, headers ...string) (status int, answer string) {
	req, err := http.NewRequestWithContext(context.Background(), method, c.url+c.address(i)+target,
		strings.NewReader(body))
	require.NoError(c.t, err)
	for n := 0; n < len(headers); n += 2 {
		req.Header.Set(headers[n], headers[n+1])
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(text)
}

// put writes a value as another client would.
func (c *cluster) put(i int, path, value, mediaType string) {
	c.t.Helper()
	status, body := c.try(http.MethodPut, i, "/kv/"+path, value, "Content-Type", mediaType)
	require.Less(c.t, status, 300, body)
	require.NotZero(c.t, status, body)
}

// get reads a value; empty: there is none.
func (c *cluster) get(i int, path string) string {
	status, body := c.try(http.MethodGet, i, "/kv/"+path, "")
	if status != http.StatusOK {
		return ""
	}
	return body
}

// secured makes the cluster's client trust the authority of kvs init --secure, and show the administrator's token.
func (c *cluster) secured() {
	token, err := os.ReadFile(filepath.Join(c.dir, "admin", "token"))
	require.NoError(c.t, err)
	c.url, c.token = "https://", strings.TrimSpace(string(token))
	c.http.Transport = &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} // this machine alone.
}
