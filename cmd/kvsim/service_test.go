package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/chaos"
	"kvs/linearize"
	"kvs/sim/simcmd"
)

func TestServiceIsPrinted(t *testing.T) {
	const ms = int64(1_000_000)
	h := &linearize.History{Header: linearize.Header{Nodes: []string{"n1", "n2"}}, Ops: []linearize.Op{
		{Node: "n1", Invoke: 100 * ms, Return: 200 * ms, Status: linearize.OK},
		{Node: "n2", Invoke: 900 * ms, Return: linearize.Never, GaveUp: 1400 * ms, Status: linearize.Info},
		{Node: "n1", Invoke: 1500 * ms, Return: 1520 * ms, Status: linearize.Fail},
		{Node: "n1", Invoke: 3000 * ms, Return: 3001 * ms, Status: linearize.OK},
	}}
	plan, err := chaos.ParsePlan("at 1s crash n2\nat 1s cut n1 -> n2\nat 2s restart n2\n")
	require.NoError(t, err)
	var out strings.Builder
	require.NoError(t, writeService(&out, h, plan))
	require.Equal(t, []string{
		"from to node ok fail unknown slowest ms gap ms after",
		"0.0s 1.0s n1 1 0 0 100.0 800.0 the start",
		"0.0s 1.0s n2 0 0 1 500.0 1000.0 the start",
		"1.0s 2.0s n1 0 1 0 20.0 1000.0 crash n2, cut n1 -> n2",
		"1.0s 2.0s n2 0 0 0 0.0 1000.0 crash n2, cut n1 -> n2",
		"2.0s 3.0s n1 0 0 0 0.0 1000.0 restart n2",
		"2.0s 3.0s n2 0 0 0 0.0 1000.0 restart n2",
	}, words(out.String()))
}

// words are the lines of a table without the spaces that align it.
func words(table string) []string {
	lines := strings.Split(strings.TrimSpace(table), "\n")
	for i := range lines {
		lines[i] = strings.Join(strings.Fields(lines[i]), " ")
	}
	return lines
}

// What a run keeps is what service reads, also when there is nothing wrong with it.
func TestServiceOfAKeptRun(t *testing.T) {
	dir := t.TempDir()
	code, out, errs := kvsim("run", "--seed", "1", "--scenario", "linearizable", "--out", dir, "--quiet")
	require.Equal(t, simcmd.ExitOK, code, out+errs)
	require.NoFileExists(t, filepath.Join(dir, "linearizable-1", "history.html"))
	code, out, errs = kvsim("service", filepath.Join(dir, "linearizable-1", "history.jsonl"))
	require.Equal(t, simcmd.ExitOK, code, errs)
	require.Contains(t, out, "partition n1 | n2,n3")
	code, out, errs = kvsim("service", "-o", "json", filepath.Join(dir, "linearizable-1", "history.jsonl"))
	require.Equal(t, simcmd.ExitOK, code, errs)
	var lines []served
	require.NoError(t, json.Unmarshal([]byte(out), &lines))
	require.NotEmpty(t, lines)
	require.Equal(t, "n1", lines[0].Node)
	require.Zero(t, lines[0].FromMillis)
	require.Positive(t, lines[0].OK)
	code, _, errs = kvsim("service", "-o", "xml", filepath.Join(dir, "linearizable-1", "history.jsonl"))
	require.Equal(t, simcmd.ExitUsage, code)
	require.Contains(t, errs, "use text or json")
	code, _, errs = kvsim("service", filepath.Join(dir, "nothing"))
	require.Equal(t, simcmd.ExitUsage, code)
	require.Contains(t, errs, "nothing")
}
