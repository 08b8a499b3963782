package sim

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node"
	"kvs/node/swim"
)

func TestDetectionFires(t *testing.T) {
	w, _ := lived(t)
	up := w.replicas[2].node
	see := func(n *node.Node, since, deadSeen time.Duration, state swim.State) []Violation {
		w.violations = nil
		w.now = time.Hour
		w.replicas[1].presence = presence{}
		w.replicas[2].node, w.replicas[2].presence = n, presence{since: w.now - since}
		if deadSeen != 0 {
			w.replicas[2].presence.deadSeen = w.now - deadSeen
		}
		w.believed(&w.replicas[1], &w.replicas[2], state)
		w.believed(&w.replicas[1], &w.replicas[2], state) // told once.
		require.LessOrEqual(t, len(w.violations), 1)
		return w.violations
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
	require.Equal(t, w.now, w.replicas[2].presence.deadSeen)
}
