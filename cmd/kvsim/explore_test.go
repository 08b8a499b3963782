package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func explored(t *testing.T, args ...string) (code int, out, err string) {
	t.Helper()
	var o, e bytes.Buffer
	code = execute(append([]string{"explore"}, args...), stdio{out: &o, err: &e})
	return code, o.String(), e.String()
}

func TestExplore(t *testing.T) {
	code, out, _ := explored(t, "--list")
	require.Zero(t, code)
	require.Contains(t, out, "two-creates ")

	code, out, _ = explored(t, "--ops", "put@1,create@2", "--nodes", "2")
	require.Zero(t, code)
	require.Contains(t, out, "scope=own verdict=ok complete=true states=")
	_, again, _ := explored(t, "--ops", "put@1,create@2", "--nodes", "2")
	head := func(s string) string { h, _, _ := strings.Cut(s, " wall="); return h }
	require.Equal(t, head(out), head(again))

	code, out, _ = explored(t, "--ops", "put@1", "--replay", "r1#0 d2<1#1 d1<2#1 d2<1#3 d1<2#2")
	require.Zero(t, code)
	require.Contains(t, out, `operation 1 is answered: created "v1"`)

	code, out, _ = explored(t, "--scope", "two-writers", "--depth", "3")
	require.Zero(t, code)
	require.Contains(t, out, "complete=false")
}

func TestExploreRefuses(t *testing.T) {
	for want, args := range map[string][]string{
		`no scope "nothing"`:       {"--scope", "nothing"},
		"want get, put":            {"--ops", "put"},
		"such as put@1":            {"--ops", "fly@1"},
		"operation 1 is at node 4": {"--ops", "put@4"},
		"is not possible there":    {"--ops", "put@1", "--replay", "d1<2#1"},
		"crashes need victims":     {"--ops", "put@1", "--crashes", "1"},
	} {
		code, _, err := explored(t, args...)
		require.Equal(t, exitUsage, code)
		require.Contains(t, err, want)
	}
}

func TestOwnFlags(t *testing.T) {
	require.Equal(t, "--ops put@1 --crashes=1 --victims 3", ownFlags([]string{"kvsim", "explore", "--ops", "put@1", "--limit", "5m", "--crashes=1", "--victims", "3"}))
}
