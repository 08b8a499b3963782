package main

import (
	"flag"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/cmd/reference"
	"kvs/sim/simcmd"
)

var update = flag.Bool("update", false, "rewrite the reference")

// The reference of the commands is what their help texts say; -update writes it.
func TestReferenceIsTrue(t *testing.T) {
	root, err := app.Root(simcmd.IO{})
	require.NoError(t, err)
	want, err := reference.Page(root)
	require.NoError(t, err)
	const path = "../../docs/reference/kvsim.md"
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(want), 0o644))
	}
	got, err := os.ReadFile(path)
	require.NoError(t, err)
	require.True(t, want == string(got),
		"docs/reference/kvsim.md is not what the code says: run go test ./cmd/kvsim -run TestReference -update")
}
