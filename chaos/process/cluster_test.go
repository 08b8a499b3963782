package process

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/chaos"
)

// started starts three nodes of a program that is not kvs, and returns what they are configured with.
func started(t *testing.T, o Options) (c *Cluster, configs, clocks []string) {
	t.Helper()
	o.Dir, o.Nodes, o.Rand = t.TempDir(), 3, rand.New(rand.NewPCG(1, uint64(os.Getpid())))
	c, err := Start(o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	for _, name := range []string{"n1", "n2", "n3"} {
		config, err := os.ReadFile(filepath.Join(o.Dir, name, name+".yaml"))
		require.NoError(t, err)
		clock, _ := os.ReadFile(filepath.Join(o.Dir, name, "clock"))
		configs, clocks = append(configs, string(config)), append(clocks, string(clock))
	}
	return c, configs, clocks
}

// A process that ends by itself is told of by Failures, also when it was crashed or started again afterwards, and by nobody else.
func TestEndsByThemselvesStayKnown(t *testing.T) {
	c, _, _ := started(t, Options{Program: "cat"}) // which ends at once.
	for _, m := range c.nodes[1:] {
		<-m.run.ended
	}
	require.NoError(t, c.Apply(chaos.Fault{Kind: chaos.Crash, Nodes: []int{1}}))
	c.o.Program = "tac"
	require.NoError(t, c.Apply(chaos.Fault{Kind: chaos.Recover}))
	for _, name := range []string{"n1", "n2", "n3"} {
		require.ErrorContains(t, c.Failures(), name+" ended by itself: exit status 0")
	}
}
