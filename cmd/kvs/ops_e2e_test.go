package main

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// examined are the findings of kvs doctor, by severity and check: "problem voters".
func (s *site) examined(args ...string) (found map[string]string, code exitCode) {
	s.t.Helper()
	r := s.run(append([]string{"doctor", "-o", "json"}, args...)...)
	var doc struct {
		Findings []struct{ Severity, Subject, Check, What, Do string }
	}
	require.NoError(s.t, json.Unmarshal([]byte(r.stdout), &doc), r.stderr)
	found = map[string]string{}
	for _, f := range doc.Findings {
		found[f.Severity+" "+f.Check] += f.Subject + ": " + f.What + "\n"
		require.True(s.t, f.Severity == "ok" || f.What != "", f)
	}
	return found, exitCode(r.code)
}

func TestE2EDoctor(t *testing.T) {
	s := newSite(t)
	s.founded(3)
	eventually(t, "all is well", func() bool {
		found, code := s.examined()
		for finding := range found {
			if strings.HasPrefix(finding, "problem ") {
				return false
			}
		}
		return code == exitOK && found["ok voters"] != "" && found["ok members"] != "" && found["ok data"] != "" &&
			found["ok versions"] != ""
	})
	r := s.ok("doctor", "node1")
	require.Regexp(t, `(?m)^node1\n  ok       configuration\n`, r.stdout)
	require.Contains(t, r.stdout, "0 problems, ")

	s.killNode("node3")
	eventually(t, "the death is detected", func() bool {
		found, code := s.examined("node1", "node2")
		return code == exitFailed && strings.Contains(found["problem members"], "node3 (") &&
			strings.Contains(found["warning voters"], "2 of 3 voters answer: one more failure")
	})
	found, code := s.examined()
	require.Equal(t, exitFailed, code)
	require.Contains(t, found["problem process"], "node3: the node is dead")

	s.killNode("node2")
	eventually(t, "the lost majority is named", func() bool {
		found, _ := s.examined("node1")
		return strings.Contains(found["problem voters"], "1 of 3 voters answer, and 2 are needed")
	})
}

// What is wrong before a node starts is found without starting it.
func TestE2EDoctorOfAStoppedNode(t *testing.T) {
	s := newSite(t)
	s.init(1)
	found, code := s.examined("node1")
	require.Equal(t, exitFailed, code)
	require.Contains(t, found["problem process"], "does not run")

	require.NoError(t, os.WriteFile(filepath.Join(s.dir, "odd.yaml"), []byte("disk: {low_watermark: 1024GiB, "+
		"high_watermark: 2048GiB}\nseeds: [no-such-host.invalid:7001]\n"), 0o600))
	found, _ = s.examined("odd.yaml")
	require.Contains(t, found["problem disk"], "the node is read-only below 1024.0 GiB")
	require.Contains(t, found["problem seeds"], "no-such-host.invalid:7001 does not resolve")
	require.Contains(t, found["problem seeds"], "none of 1 answers")

	require.NoError(t, os.WriteFile(filepath.Join(s.dir, "odd.yaml"), []byte("lisen: x\n"), 0o600))
	found, _ = s.examined("odd.yaml")
	require.Contains(t, found["problem configuration"], `did you mean "listen"?`)

	r := s.run("doctor", "nothing.yaml")
	require.EqualValues(t, exitUsage, r.code)
	require.Contains(t, r.stderr, "there is no such configuration")
}

func TestE2EDebugBundle(t *testing.T) {
	s := newSite(t)
	s.init(2)
	s.ok("start", "node1")
	file := filepath.Join(s.dir, "bundle.tar.gz")
	r := s.ok("debug", "bundle", "node1", "node2", "--file", file, "--seconds", "0")
	require.Equal(t, file+"\n", r.stdout)
	info, err := os.Stat(file)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	content := unpacked(t, file)
	for _, name := range []string{"version.json", "doctor.txt", "node1/config.yaml", "node1/process.json",
		"node1/log.txt",
		"node1/status.json", "node1/metrics.txt", "node1/heap.pprof", "node1/goroutine.pprof", "node2/config.yaml"} {
		require.NotEmpty(t, content[name], name)
	}
	require.Contains(t, content["node1/metrics.txt"], "kvs_mode{")
	require.Contains(t, content["errors.txt"], "node2/status.json: the node does not serve")
	require.Empty(t, content["node1/cpu.pprof"])

	r = s.run("debug", "bundle", "node1", "--file", file)
	require.EqualValues(t, exitFailed, r.code)
	require.Contains(t, r.stderr, "choose another file with --file")
}

// unpacked is the content of a bundle.
func unpacked(t *testing.T, file string) map[string]string {
	t.Helper()
	f, err := os.Open(file)
	require.NoError(t, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	require.NoError(t, err)
	out := map[string]string{}
	for archive := tar.NewReader(z); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		require.NoError(t, err)
		text, err := io.ReadAll(archive)
		require.NoError(t, err)
		out[h.Name] = string(text)
	}
}

func TestE2ELogLevel(t *testing.T) {
	s := newSite(t)
	s.init(1)
	s.ok("start", "--wait", "node1")
	e := []string{"--endpoint", s.endpoint(1)}
	require.Equal(t, "info\n", s.ok(append(e, "log-level")...).stdout)
	require.Equal(t, "debug\n", s.ok(append(e, "log-level", "debug")...).stdout)
	require.Equal(t, "debug\n", s.ok(append(e, "log-level")...).stdout)
	require.Contains(t, s.ok("logs", "node1").stdout, "the level of the log was set by a request")
	require.NotContains(t, s.ok("logs", "node1").stdout, "level=DEBUG")
	eventually(t, "the core makes lines of that level", func() bool {
		conn, err := net.Dial("udp", s.endpoint(1))
		require.NoError(t, err)
		_, err = conn.Write([]byte("no message of any member"))
		require.NoError(t, errors.Join(err, conn.Close()))
		return strings.Contains(s.ok("logs", "node1").stdout, "level=DEBUG")
	})
	r := s.run(append(e, "log-level", "loud")...)
	require.EqualValues(t, exitRefused, r.code)
	require.Contains(t, r.stderr, "use debug, info, warn or error")
}

// killNode ends a node without warning.
func (s *site) killNode(name string) {
	s.t.Helper()
	nodes, _ := s.statusOf(name)
	require.NoError(s.t, syscall.Kill(nodes[0].PID, syscall.SIGKILL))
}

// A node tells its supervisor when it serves and when it begins to end (Type=notify).
func TestE2ESupervisor(t *testing.T) {
	s := newSite(t)
	s.init(1)
	socket := filepath.Join(t.TempDir(), "notify")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	require.NoError(t, err)
	defer l.Close()
	told := make(chan string, 100)
	go func() {
		for b := make([]byte, 4096); ; {
			n, err := l.Read(b)
			if err != nil {
				return
			}
			told <- string(b[:n])
		}
	}()
	cmd := s.command("node1.yaml")
	cmd.Env = append(cmd.Env, "NOTIFY_SOCKET="+socket)
	require.NoError(t, cmd.Start())
	require.Contains(t, <-told, "STATUS=opens its store")
	require.Equal(t, "STATUS=serves at "+s.endpoint(1), <-told)
	require.Equal(t, "READY=1", <-told)
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	require.Equal(t, "STOPPING=1", <-told)
	require.NoError(t, cmd.Wait())
}
