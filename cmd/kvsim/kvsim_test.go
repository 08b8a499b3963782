package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/cmd/version"
	"kvs/scenarios"
	"kvs/sim/scenario"
	"kvs/sim/simcmd"
)

// modeEnv makes the test binary behave as kvsim itself: as a worker of the test's own commands.
const modeEnv = "KVSIM_TEST_MODE"

func TestMain(m *testing.M) {
	if os.Getenv(modeEnv) != "" {
		app.Main()
	}
	os.Exit(m.Run())
}

// kvsim runs a command line and returns what it printed.
func kvsim(args ...string) (code int, out, err string) {
	var o, e bytes.Buffer
	code = app.Execute(args, simcmd.IO{In: strings.NewReader(""), Out: &o, Err: &e})
	return code, o.String(), e.String()
}

// The replay command of a failure is the Makefile's, whoever prints it.
func TestReplayCommand(t *testing.T) {
	t.Setenv(modeEnv, "worker")
	s, err := scenarios.Load("quiet")
	require.NoError(t, err)
	s.Name, s.Settle, s.Duration = "hasty", time.Millisecond, time.Second // nothing can agree in a millisecond.
	path := filepath.Join(t.TempDir(), "hasty.scenario")
	require.NoError(t, os.WriteFile(path, []byte(s.String()), 0o600))
	code, out, _ := kvsim("run", "--seed", "9", "--scenario", path)
	require.Equal(t, simcmd.ExitBroken, code)
	require.Contains(t, out, "replay: make sim SEED=9 SCENARIO="+path+"\n")
	code, out, errs := kvsim("soak", "--seeds", "9..9", "--scenario", path, "--duration", "500ms")
	require.Equal(t, simcmd.ExitBroken, code, errs)
	require.Contains(t, out, "replay: make sim SEED=9 SCENARIO="+path+" SIMFLAGS='--duration 500ms'\n")
}

func TestVersion(t *testing.T) {
	code, out, _ := kvsim("--version")
	require.Equal(t, simcmd.ExitOK, code)
	require.Equal(t, "kvsim version "+version.Read().String()+"\n", out)
	code, out, _ = kvsim("version")
	require.Equal(t, simcmd.ExitOK, code)
	require.Equal(t, version.Read().Line("kvsim"), out)

	var b version.Build
	code, out, _ = kvsim("version", "-o", "json")
	require.Equal(t, simcmd.ExitOK, code)
	require.NoError(t, json.Unmarshal([]byte(out), &b))
	require.Equal(t, version.Read(), b)

	code, _, errs := kvsim("version", "-o", "yaml")
	require.Equal(t, simcmd.ExitUsage, code)
	require.Contains(t, errs, "use text or json")
}

func TestCheckFindsTheViolation(t *testing.T) {
	s, err := scenarios.Load("eventual-is-not-linearizable")
	require.NoError(t, err)
	s.Expect = []scenario.Promise{scenarios.Linearizable}
	dir := t.TempDir()
	path := filepath.Join(dir, "wrong.scenario")
	require.NoError(t, os.WriteFile(path, []byte(s.String()), 0o600))
	code, out, _ := kvsim("run", "--seed", "1", "--scenario", path, "--out", dir)
	require.Equal(t, simcmd.ExitBroken, code, out)
	require.Contains(t, out, "verdict=linearizable ")
	kept := filepath.Join(dir, s.Name+"-1")
	page, err := os.ReadFile(filepath.Join(kept, "history.html"))
	require.NoError(t, err)
	require.Contains(t, string(page), "<html")
	html := filepath.Join(dir, "again.html")
	code, out, _ = kvsim("check", "--html", html, filepath.Join(kept, "history.jsonl"))
	require.Equal(t, simcmd.ExitBroken, code)
	require.Contains(t, out, "violation")
	require.FileExists(t, html)

	code, out, _ = kvsim("run", "--seed", "1", "--scenario", "linearizable", "--out", dir)
	require.Equal(t, simcmd.ExitOK, code, out)
	code, out, _ = kvsim("check", filepath.Join(dir, "linearizable-1", "history.jsonl"))
	require.Equal(t, simcmd.ExitOK, code, out)
	code, _, errs := kvsim("check", "/no/such/file")
	require.Equal(t, simcmd.ExitUsage, code)
	require.Contains(t, errs, "no such file")
}
