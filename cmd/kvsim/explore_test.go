package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/sim/simcmd"
	"kvs/sim/simcmd/document"
)

func runExplore(t *testing.T, args ...string) (code int, out, err string) {
	t.Helper()
	var o, e bytes.Buffer
	code = app.Execute(append([]string{"explore"}, args...), simcmd.IO{Out: &o, Err: &e})
	return code, o.String(), e.String()
}

func TestExplore(t *testing.T) {
	code, out, _ := runExplore(t, "--list")
	require.Zero(t, code)
	require.Contains(t, out, "two-creates ")

	code, out, _ = runExplore(t, "--ops", "put@1,create@2", "--nodes", "2")
	require.Zero(t, code)
	require.Contains(t, out, "scope=own verdict=ok complete=true states=")
	_, again, _ := runExplore(t, "--ops", "put@1,create@2", "--nodes", "2")
	head := func(s string) string { h, _, _ := strings.Cut(s, " wall="); return h }
	require.Equal(t, head(out), head(again))

	code, out, _ = runExplore(t, "--ops", "put@1", "--replay", "r1#0 d2<1#1 d1<2#1 d2<1#3 d1<2#2")
	require.Zero(t, code)
	require.Contains(t, out, `operation 1 is answered: created "v1"`)

	code, out, _ = runExplore(t, "--scope", "two-writers", "--depth", "3")
	require.Zero(t, code)
	require.Contains(t, out, "complete=false")
}

func TestExploreRefuses(t *testing.T) {
	for want, args := range map[string][]string{
		`no scope "nothing"`:       {"--scope", "nothing"},
		"want a word and a node":   {"--ops", "put"},
		"not fly":                  {"--ops", "fly@1"},
		"operation 1 is at node 4": {"--ops", "put@4"},
		"is not possible there":    {"--ops", "put@1", "--replay", "d1<2#1"},
		"crashes need victims":     {"--ops", "put@1", "--crashes", "1"},
	} {
		code, _, err := runExplore(t, args...)
		require.Equal(t, simcmd.ExitUsage, code)
		require.Contains(t, err, want)
	}
}

func TestExploreAsADocument(t *testing.T) {
	code, out, stderr := kvsim("explore", "--ops", "put@1,create@2", "--nodes", "2", "--output", "json")
	require.Equal(t, simcmd.ExitOK, code, stderr)
	var found document.Explore
	decoder := json.NewDecoder(strings.NewReader(out))
	decoder.DisallowUnknownFields()
	require.NoError(t, decoder.Decode(&found))
	require.True(t, found.Complete)
	require.Equal(t, "ok", found.Verdict)
	require.NotZero(t, found.States)
}
