package kvs

import (
	"runtime/debug"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/scenarios"
	"kvs/sim"
	"kvs/sim/simcmd/heap"
)

// benchScenario is five nodes, ten clients and all kinds of faults but the loss of disks.
const benchScenario = `
scenario bench
about    five nodes, ten clients, faults
nodes    5
clients  10
duration 20s
settle   1m
workload keys=100 get=50 put=40 delete=5 list=5 hot=20% think=20ms..200ms value=16..256 ` +
	`level=eventual attach=any timeout=2s
network  delay=1ms..10ms loss=1% duplicate=1% reorder=1% corrupt=0.1%
clocks   skew=0s..100ms drift=0ppm..100ppm
disk     sync=1ms..5ms
expect   converged, no-lost-write, no-resurrection, hlc-monotone, membership-agreed, finished
plan random kinds=partition,cut,loss,delay,skew,jump,drift,crash,pause,disk-slow every=2s length=500ms..5s majority=lose
`

// One operation is one whole lifetime; the figures that count are simulated seconds and events for each second of
// wall time.
func BenchmarkSimulation(b *testing.B) {
	s, err := scenarios.Parse(benchScenario)
	require.NoError(b, err)
	var simulated time.Duration
	var events uint64
	b.ReportAllocs()
	defer debug.SetGCPercent(debug.SetGCPercent(heap.Percent)) // as kvsim does.
	garbage := heap.NewCollector()
	cpu := cpuTime(b)
	for i := 0; b.Loop(); i++ {
		d := sim.Draw(uint64(i%16+1), s)
		res, err := sim.Run(sim.Options{System: System{}, Seed: d.Seed, Scenario: &d})
		if err != nil || len(res.Violations) > 0 {
			b.Fatal(err, res, res.Violations)
		}
		simulated += res.Simulated
		events += res.Events
		garbage.RunOver()
	}
	b.ReportMetric(simulated.Seconds()/b.Elapsed().Seconds(), "simsec/s")
	b.ReportMetric(float64(events)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(simulated.Seconds()/(cpuTime(b)-cpu).Seconds(), "simsec/cpu-s") // what a busy machine does not blur.
}

// cpuTime is what this process has used so far, collector included.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
