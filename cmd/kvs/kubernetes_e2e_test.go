package main

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// podEnv is the environment of the container in the stateful set, in its order.
func podEnv(t *testing.T) (env [][2]string, args []string) {
	t.Helper()
	text, err := os.ReadFile("../../deploy/kubernetes/kvs.yaml")
	require.NoError(t, err)
	for dec := yaml.NewDecoder(bytes.NewReader(text)); ; {
		var doc struct {
			Kind string
			Spec struct {
				Template struct {
					Spec struct {
						Containers []struct {
							Args []string
							Env  []struct{ Name, Value string }
						}
					}
				}
			}
		}
		require.NoError(t, dec.Decode(&doc))
		if doc.Kind != "StatefulSet" {
			continue
		}
		c := doc.Spec.Template.Spec.Containers[0]
		for _, e := range c.Env {
			env = append(env, [2]string{e.Name, e.Value})
		}
		return env, c.Args
	}
}

// The environment of the stateful set makes a secure cluster: here of three processes, with the addresses and folders
// of this machine in place of those of the pods.
func TestE2EKubernetesEnvironment(t *testing.T) {
	s := newSite(t)
	s.base = freePorts(t, 6)
	certs := filepath.Join(s.dir, "made")
	for i := range 3 {
		s.ok("cert", "issue", "--dir", certs, "--node", fmt.Sprintf("kvs-%d", i), "--host",
			fmt.Sprintf("kvs-%d.kvs", i), "--host", "127.0.0.1")
	}
	s.ok("cert", "issue", "--dir", certs, "--admin", "ops")
	s.ok("keyring", "create", filepath.Join(certs, "certs", "gossip.keyring"))
	env, args := podEnv(t)
	var running []*exec.Cmd
	for i := range 3 {
		volume, name := filepath.Join(s.dir, fmt.Sprintf("pod%d", i)), fmt.Sprintf("kvs-%d", i)
		require.NoError(t, os.Mkdir(volume, 0o700))
		here := []string{"/certs/", filepath.Join(certs, "certs") + "/", "/data/", volume + "/", "$(KVS_NAME)", name}
		for j := range 3 {
			here = append(here, fmt.Sprintf("kvs-%d.kvs:7001", j), s.endpoint(j+1))
		}
		cmd := s.command(args...)
		cmd.Dir = volume
		for _, e := range env {
			value := strings.NewReplacer(here...).Replace(e[1])
			switch e[0] {
			case "KVS_NAME":
				value = name
			case "KVS_LISTEN":
				value = strings.Replace(value, "7001", strconv.Itoa(s.base+i), 1)
			case "KVS_ADVERTISE":
				value = s.endpoint(i + 1)
			case "KVS_ADMIN_LISTEN":
				value = "127.0.0.1:" + strconv.Itoa(s.base+3+i)
			}
			cmd.Env = append(cmd.Env, e[0]+"="+value)
		}
		log, err := os.Create(filepath.Join(volume, "log"))
		require.NoError(t, err)
		defer log.Close()
		cmd.Stdout, cmd.Stderr = log, log
		require.NoError(t, cmd.Start())
		running = append(running, cmd)
		t.Cleanup(func() {
			if t.Failed() {
				text, _ := os.ReadFile(log.Name())
				t.Logf("%s:\n%s", name, text)
			}
		})
	}
	defer func() {
		for _, cmd := range running {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	}()
	admin := []string{"--endpoint", "https://" + s.endpoint(3), "--ca", filepath.Join(certs, "certs", "ca.crt"),
		"--cert", filepath.Join(certs, "admin", "ops.crt"), "--key", filepath.Join(certs, "admin", "ops.key")}
	eventually(t, "the cluster is founded", func() bool {
		r := s.run(append([]string{"put", "a", "1", "--consistency", "linearizable"}, admin...)...)
		return r.code == 0
	})
	require.Equal(t, 3, strings.Count(s.ok(append([]string{"members"}, admin...)...).stdout, " alive "))
	r := s.run("get", "a", "--endpoint", "https://"+s.endpoint(1), "--ca", filepath.Join(certs, "certs", "ca.crt"))
	require.EqualValues(t, exitRefused, r.code, "a client without credentials")
	for i := range 3 {
		answer, err := http.Get("http://127.0.0.1:" + strconv.Itoa(s.base+3+i) + "/readyz")
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		require.Equal(t, http.StatusOK, answer.StatusCode)
	}
}
