package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node/client/load"
)

func TestBenchReport(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, writeReport(&out, &load.Report{
		Op: load.CAS, Consistency: "linearizable", Clients: 8, Keys: 100, Bytes: 256, Rate: 500, LoadSeconds: 0.5,
		Seconds: 10, Interrupted: true,
		Operations: 4000, PerSecond: 400, ErrorsInAll: 3, AttemptsMean: 1.25,
		Latency:       load.Latency{Min: 0.5, Mean: 2, P50: 1.5, P90: 3, P99: 9, P999: 20, Max: 31.25},
		ErrorsLatency: &load.Latency{Max: 10000},
		Errors:        map[string]int64{"timeout (outcome unknown)": 1, "no_quorum": 2},
	}))
	require.Equal(t, `operation                    cas, linearizable, 8 clients, 100 keys, values of 256 bytes
keys made                    100 in 0.5 s, 200 a second
succeeded                    4000 in 10.0 s (interrupted)
throughput                   400 operations a second of 500 asked for
attempts                     1.25 an operation
latency                      p50 1.50 ms, p90 3.00, p99 9.00, p99.9 20.00, max 31.25 (mean 2.00, min 0.50)
errors                       3
  no_quorum                  2
  timeout (outcome unknown)  1
their latency                p50 0.00 ms, p90 0.00, p99 0.00, p99.9 0.00, max 10000.00 (mean 0.00, min 0.00)
`, out.String())
}

func TestBenchRefusesWhatCannotBeMeasured(t *testing.T) {
	for _, args := range [][]string{
		{"--op", "scan"}, {"--clients", "0"}, {"--duration", "-1s"}, {"--rate", "-1"},
		{"--op", "cas", "-c", "eventual"}, {"--prefix", "a//b"},
		{"--output", "yaml"}, {"--timeout", "0s"}, {"more"},
	} {
		b := newBench(t)
		b.app.connectLoad = func(access, int, time.Duration) ([]load.Store, error) {
			return nil, errors.New("connected")
		}
		require.EqualValues(t, exitUsage, execute(b.app, append([]string{"bench"}, args...)), args)
		require.NotContains(t, b.err.String(), "connected")
	}
}

// A real node is measured at each kind of operation, and nothing is left of it.
func TestBenchOfARealNode(t *testing.T) {
	s := newSite(t)
	s.init(1)
	s.ok("start", "--wait", "node1.yaml")
	e := s.endpoint(1)
	s.ok("put", "kvs-bench-mine/x", "1", "-e", e)
	for _, op := range load.Ops {
		var r load.Report
		require.NoError(t,
			json.Unmarshal(
				[]byte(s.ok("bench", "-e", e, "--op", string(op), "--duration", "200ms", "--keys", "20", "--clients",
					"4", "-o", "json").stdout), &r))
		require.Positive(t, r.Operations)
		require.Zero(t, r.ErrorsInAll, r.Errors)
	}
	require.Equal(t, int(exitRefused), s.run("bench", "-e", e, "--prefix", "kvs-bench-mine").code,
		"there is something below it")
	require.Equal(t, "kvs-bench-mine/x\n", s.ok("ls", "-r", "-e", e).stdout)
}
