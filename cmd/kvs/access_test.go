package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// Flags outweigh variables, and these the profile; the current profile is for its own endpoints alone.
func TestWhereCredentialsComeFrom(t *testing.T) {
	b := newBench(t)
	home := filepath.Join(b.dir, "home")
	require.NoError(t, os.MkdirAll(home, 0o700))
	b.env["KVS_HOME"] = home
	put := func(name, text string) string {
		path := filepath.Join(home, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	put("prod.token", "prod")
	put("test.token", "test")
	mine := put("my.token", "mine")
	put("config.yaml", `
current: prod
clusters:
  prod: {endpoints: [p1:7001, p2:7001], token_file: prod.token}
  test: {endpoints: [t1:7001], token_file: test.token}
`)
	asks := func(token string, endpoints []string, args ...string) {
		t.Helper()
		require.EqualValues(t, exitOK, execute(b.app, append([]string{"get", "a"}, args...)), b.err.String())
		require.Equal(t, endpoints, b.access.endpoints)
		require.Equal(t, token, b.access.token)
	}
	asks("prod", []string{"p1:7001", "p2:7001"})
	asks("test", []string{"t1:7001"}, "--profile", "test")
	asks("", []string{"x:7001"}, "--endpoint", "x:7001")
	asks("test", []string{"x:7001"}, "--endpoint", "x:7001", "--profile", "test")
	asks("mine", []string{"p1:7001", "p2:7001"}, "--token-file", mine)
	b.env["KVS_TOKEN_FILE"] = mine
	asks("mine", []string{"t1:7001"}, "--profile", "test")
	b.env["KVS_ENDPOINTS"] = "y:7001"
	asks("mine", []string{"y:7001"})
	b.env["KVS_PROFILE"] = "nope"
	require.EqualValues(t, exitUsage, execute(b.app, []string{"get", "a"}))
	require.Contains(t, b.err.String(), `no cluster "nope"`)
}
