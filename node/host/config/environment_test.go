package config

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Every key has a variable of its own, and none of them is one of kvs' other variables.
func TestEveryKeyHasItsVariable(t *testing.T) {
	seen := map[string]string{}
	for _, k := range keyDocs {
		name := VariableOf(k.key)
		require.Empty(t, seen[name], "%s and %s", k.key, seen[name])
		require.NotContains(t, otherVariables, name)
		seen[name] = k.key
	}
	require.Equal(t, "log.level", seen["KVS_LOG_LEVEL"])
}

func TestVariablesHavePrecedenceOverTheFile(t *testing.T) {
	t.Setenv("KVS_LISTEN", "127.0.0.1:7009")
	t.Setenv("KVS_SEEDS", "a:7001, b:7002,")
	t.Setenv("KVS_LOG_LEVEL", "debug")
	t.Setenv("KVS_REQUEST_TIMEOUT", "3s")
	t.Setenv("KVS_READ_ONLY", "true")
	c, err := Parse("/etc/n1.yaml", []byte("listen: 127.0.0.1:7001\nseeds: [c:7003]\nrequest_timeout: nonsense\n"))
	require.NoError(t, err, "a value that does not count may be wrong")
	require.Equal(t, "127.0.0.1:7009", c.Listen)
	require.Equal(t, []string{"a:7001", "b:7002"}, c.Seeds)
	require.Equal(t, "debug", c.Log.Level)
	require.Equal(t, 3*time.Second, c.RequestTimeout)
	require.True(t, c.ReadOnly)

	t.Setenv("KVS_SEEDS", "")
	c, err = Parse("/etc/n1.yaml", []byte("seeds: [c:7003]\n"))
	require.NoError(t, err)
	require.Empty(t, c.Seeds, "a variable that is set and empty is an empty list")
}

// A wrong variable is named, not the file that is right.
func TestWrongVariablesAreNamed(t *testing.T) {
	t.Setenv("KVS_REQUESTS_MAX", "many")
	t.Setenv("KVS_LOG_LEVEL", "loud")
	_, err := Parse("/etc/n1.yaml", []byte("requests_max: 7\n"))
	require.ErrorContains(t, err, `environment: KVS_REQUESTS_MAX: "many" is not a whole number`)
	require.ErrorContains(t, err, "environment: KVS_LOG_LEVEL: ")
	require.NotContains(t, err.Error(), "n1.yaml")
}

func TestMisspelledVariables(t *testing.T) {
	require.Equal(t, map[string]string{"KVS_LISTN": "KVS_LISTEN", "KVS_LOG_LEVLE": "KVS_LOG_LEVEL"},
		MisspelledVariables([]string{"KVS_LISTN=x", "KVS_LISTEN=x", "KVS_HOME=/", "KVS_LOG_LEVLE=", "HOME=/",
			"KVS_ENDPOINTS=a", "KVS_SOMETHING_ELSE=1"}))
}

func TestSettingsSayTheirSource(t *testing.T) {
	file := filepath.Join(t.TempDir(), "n1.yaml")
	require.NoError(t, os.WriteFile(file, []byte("# a comment\nlisten: 127.0.0.1:7005\nlog:\n  level: warn\n"), 0o600))
	t.Setenv("KVS_LOG_LEVEL", "debug")
	all, err := Settings(file)
	require.NoError(t, err)
	by := map[string]Setting{}
	for _, s := range all {
		by[s.Key] = s
	}
	require.Equal(t, Setting{"listen", "127.0.0.1:7005", file + ":2"}, by["listen"])
	require.Equal(t, Setting{"log.level", "debug", "environment KVS_LOG_LEVEL"}, by["log.level"])
	require.Equal(t, Setting{"name", "n1", "derived"}, by["name"])
	require.Equal(t, SourceDefault, by["cluster"].Source)

	_, err = Settings(filepath.Join(t.TempDir(), "none.yaml"))
	require.ErrorIs(t, err, os.ErrNotExist)
}
