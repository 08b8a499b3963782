package kvs

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/chaos"
	"kvs/scenarios"
	"kvs/sim"
	"kvs/sim/scenario"
)

// testWorld makes a world of kvs in which nothing has happened yet.
func testWorld(o sim.Options) *cluster {
	o.System = System{}
	return sim.NewWorld(o).Cluster().(*cluster)
}

// still is a world of three members in which nothing happens by itself, and whose members found a cluster at once.
func still(t *testing.T) *cluster {
	t.Helper()
	sc := scenarios.Default()
	sc.Name, sc.Expect = "still", []scenario.Promise{scenarios.Finished}
	sc.Network = chaos.Link{Delay: time.Millisecond, DelayMax: 50 * time.Millisecond}
	require.NoError(t, sc.Validate())
	w := testWorld(sim.Options{Seed: 1, Scenario: &sc})
	w.Still()
	w.Founders = true
	return w
}

// breaks wants a violation of a promise.
func breaks(t *testing.T, got []sim.Violation, promise, detail string) {
	t.Helper()
	for _, v := range got {
		if v.Promise == promise && strings.Contains(v.String(), detail) {
			return
		}
	}
	require.Failf(t, "the promise holds", "want %s with %q, got %v", promise, detail, got)
}
