package checks

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node"
	"kvs/node/swim"
	"kvs/sim"
)

func TestDetectionFires(t *testing.T) {
	w, _ := lived(t)
	c := newDetectionCheck(w.World)
	up := w.Replicas[2].Node
	see := func(n *node.Node, since, deadSeen time.Duration, state swim.State) []sim.Violation {
		w.TakeViolations()
		w.Still()
		w.RunUntil(time.Hour)
		w.Replicas[1].Since, c.members[2] = 0, presence{}
		w.Replicas[2].Node, w.Replicas[2].Since = n, w.Now()-since
		if deadSeen != 0 {
			c.members[2].deadSeen = w.Now() - deadSeen
		}
		c.believed(&w.Replicas[1], &w.Replicas[2], state)
		c.believed(&w.Replicas[1], &w.Replicas[2], state) // told once.
		require.LessOrEqual(t, len(w.Violations()), 1)
		return w.Violations()
	}
	const promise = "failures-detected"
	requireBroken(t, see(nil, detectMax+1, 0, swim.Alive), promise, "n1 sees n2 alive, which has been down for 30")
	requireBroken(t, see(nil, 10*time.Second, spreadMax+1, swim.Suspect), promise, "another member has known")
	requireBroken(t, see(up, returnMax+1, 0, swim.Dead), promise, "which has been up")
	require.Empty(t, see(nil, detectMax, 0, swim.Suspect))
	require.Empty(t, see(nil, time.Minute, time.Minute, swim.Dead))
	require.Empty(t, see(nil, 10*time.Second, spreadMax, swim.Alive))
	require.Empty(t, see(up, returnMax, 0, swim.Dead))
	require.Empty(t, see(up, time.Minute, 0, swim.Alive))
	require.Empty(t, see(nil, 10*time.Second, 0, swim.Dead))
	require.Equal(t, w.Now(), c.members[2].deadSeen)
}
