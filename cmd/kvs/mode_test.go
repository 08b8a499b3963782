package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMode(t *testing.T) {
	b := newBench(t)
	require.EqualValues(t, exitOK, execute(b.app, []string{"mode"}))
	require.Equal(t, "read-only: clock, operator\n", b.out.String())
	b.out.Reset()
	require.EqualValues(t, exitOK, execute(b.app, []string{"mode", "normal"}))
	require.Equal(t, "normal\n", b.out.String())
	require.Equal(t, "mode normal", b.cluster.path)
	require.EqualValues(t, exitOK, execute(b.app, []string{"mode", "read-only", "--output", "json"}))
	require.Equal(t, "mode read-only", b.cluster.path)
	require.EqualValues(t, exitUsage, execute(b.app, []string{"mode", "syncing"}))
}
