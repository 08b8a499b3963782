package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/node/host/config"
)

func TestConfigCheck(t *testing.T) {
	b := newBench(t)
	good, bad := filepath.Join(b.dir, "good.yaml"), filepath.Join(b.dir, "bad.yaml")
	require.NoError(t, os.WriteFile(good, []byte("listen: 127.0.0.1:7005\n"), 0o600))
	require.NoError(t, os.WriteFile(bad, []byte("lisen: 127.0.0.1:7005\nrequests_max: no\n"), 0o600))
	require.Zero(t, execute(b.app, []string{"config", "check", good}))
	require.Contains(t, b.out.String(), good+": ok")

	b.out.Reset()
	none := filepath.Join(b.dir, "none.yaml")
	require.Equal(t, int(exitUsage), execute(b.app, []string{"config", "check", good, bad, none}))
	require.Contains(t, b.out.String(), good+": ok")
	require.Contains(t, b.out.String(), bad+`:1: unknown key "lisen"; did you mean "listen"?`)
	require.Contains(t, b.out.String(), bad+`:2: requests_max: "no" is not a whole number`)
	require.Contains(t, b.out.String(), "none.yaml: there is no such configuration")

	t.Setenv("KVS_LISTN", "127.0.0.1:7006")
	b.out.Reset()
	require.Equal(t, int(exitUsage), execute(b.app, []string{"config", "check", good}))
	require.Contains(t, b.out.String(), "environment: KVS_LISTN sets no key; did you mean KVS_LISTEN?")
}

func TestConfigShow(t *testing.T) {
	b := newBench(t)
	file := filepath.Join(b.dir, "n1.yaml")
	require.NoError(t, os.WriteFile(file, []byte("listen: 127.0.0.1:7005\n"), 0o600))
	t.Setenv("KVS_LOG_LEVEL", "debug")
	require.Zero(t, execute(b.app, []string{"config", "show", file}))
	require.Regexp(t, `listen +127\.0\.0\.1:7005 +.*n1\.yaml:1\n`, b.out.String())
	require.Regexp(t, `log\.level +debug +environment KVS_LOG_LEVEL\n`, b.out.String())
	require.NotContains(t, b.out.String(), "requests_max")

	b.out.Reset()
	require.Zero(t, execute(b.app, []string{"config", "show", file, "--all", "-o", "json"}))
	var all []config.Setting
	require.NoError(t, json.Unmarshal(b.out.Bytes(), &all))
	require.Contains(t, all, config.Setting{Key: "requests_max", Value: "4096", Source: "default"})

	// The whole file means the same without the environment.
	b.out.Reset()
	require.Zero(t, execute(b.app, []string{"config", "show", file, "-o", "yaml"}))
	require.NoError(t, os.Unsetenv("KVS_LOG_LEVEL")) // t.Setenv restores it.
	c, err := config.Parse(file, b.out.Bytes())
	require.NoError(t, err)
	require.Equal(t, "debug", c.Log.Level)
	require.Equal(t, "127.0.0.1:7005", c.Listen)
}
