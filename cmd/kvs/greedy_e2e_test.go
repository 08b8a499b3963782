package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// startLimited runs a node of the site in the foreground, with a limit of open files that it cannot raise.
func startLimited(t *testing.T, s *site, config string, files int) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("sh", "-c", fmt.Sprintf("ulimit -n %d; exec %s %s", files, binary, config))
	plain := s.command()
	cmd.Dir, cmd.Env = plain.Dir, plain.Env
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return cmd
}

// answers asks for a node's status and returns the code of the HTTP answer, 0 for none.
func answers(endpoint, target string) int {
	c := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := c.Get("http://" + endpoint + target)
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

// Clients that open more connections than files may be open end nothing: the node sheds them, answers for its health,
// keeps up with its peer, stores what the connections within the bound write, and takes connections again when they
// have gone.
func TestE2EFileDescriptorsUsedUp(t *testing.T) {
	s := newSite(t)
	s.init(2)
	limited := startLimited(t, s, "node1.yaml", 128)
	s.ok("start", "--wait", "node2")
	eventually(t, "both are ready", func() bool { return answers(s.endpoint(1), "/readyz") == 200 })

	held := make([]net.Conn, 0, 200)
	for range cap(held) {
		c, err := net.Dial("tcp", s.endpoint(1))
		require.NoError(t, err)
		defer c.Close()
		held = append(held, c)
	}
	first := held[0]
	require.NoError(t, first.SetDeadline(time.Now().Add(time.Minute)))
	in := bufio.NewReader(first)
	for i := range 20 {
		_, err := fmt.Fprintf(first, "PUT /kv/k%d HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nv", i)
		require.NoError(t, err)
		resp, err := http.ReadResponse(in, nil)
		require.NoError(t, err)
		require.Equal(t, http.StatusCreated, resp.StatusCode)
		_, _ = io.Copy(io.Discard, resp.Body)
	}
	eventually(t, "the peer gets all of it", func() bool { return answers(s.endpoint(2), "/kv/k19") == 200 })
	require.Equal(t, 200, answers(s.endpoint(1), "/livez"))
	require.Equal(t, 200, answers(s.endpoint(1), "/readyz"))
	require.Equal(t, http.StatusServiceUnavailable, answers(s.endpoint(1), "/kv/k1"))
	s.ok("put", "from/the/peer", "v", "-e", s.endpoint(2))
	eventually(t, "what its peer brings gets through", func() bool {
		_, err := fmt.Fprintf(first, "GET /kv/from/the/peer HTTP/1.1\r\nHost: x\r\n\r\n")
		require.NoError(t, err)
		resp, err := http.ReadResponse(in, nil)
		require.NoError(t, err)
		_, _ = io.Copy(io.Discard, resp.Body)
		return resp.StatusCode == 200
	})
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", limited.Process.Pid))
	require.NoError(t, err)
	require.Less(t, len(open), 120, "a reserve is left")

	for _, c := range held {
		require.NoError(t, c.Close())
	}
	eventually(t, "connections are taken again", func() bool { return answers(s.endpoint(1), "/kv/k1") == 200 })
	require.Contains(t, s.ok("stop", "node1").stdout, "stopped")
}

// Connections that announce 8 MiB and send a byte hold no memory, whichever route they take. They held 8 and 16 MiB
// each.
func TestE2EAnnouncedBodies(t *testing.T) {
	s := newSite(t)
	s.init(1)
	s.edit("node1.yaml", "value_bytes_max: 1MiB", "value_bytes_max: 8MiB")
	s.ok("start", "--wait", "node1")
	nodes, _ := s.statusOf()
	before := residentMiB(t, nodes[0].PID)
	for i := range 300 {
		c, err := net.Dial("tcp", s.endpoint(1))
		require.NoError(t, err)
		defer c.Close()
		target := "PUT /kv/a"
		if i%2 == 0 {
			target = "POST /peer/v1/frames"
		}
		_, err = fmt.Fprintf(c, "%s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", target, 8<<20,
			strings.Repeat("x", 9000))
		require.NoError(t, err)
	}
	require.Equal(t, 201, put(t, s.endpoint(1), "small", 10))
	require.Less(t, residentMiB(t, nodes[0].PID)-before, 100, "300 connections")
	require.Equal(t, 200, answers(s.endpoint(1), "/readyz"))
}

func put(t *testing.T, endpoint, path string, size int) int {
	t.Helper()
	req, err := http.NewRequest(http.MethodPut, "http://"+endpoint+"/kv/"+path,
		strings.NewReader(strings.Repeat("x", size)))
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

// residentMiB is the memory that a process holds.
func residentMiB(t *testing.T, pid int) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	require.NoError(t, err)
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.Atoi(strings.Fields(value)[0])
			require.NoError(t, err)
			return kib >> 10
		}
	}
	t.Fatal("no VmRSS")
	return 0
}
