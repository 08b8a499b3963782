package contract

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestGateHoldsUntilDurable(t *testing.T) {
	var g Gate
	eff := Effects{
		Sends:   []Send{{After: 2, To: "late"}, {To: "now"}, {After: 1, To: "soon"}},
		Replies: []Reply{{After: 2, Response: Response{ID: 2}}, {After: 1, Response: Response{ID: 1}}},
	}
	g.Pass(&eff)
	require.Equal(t, []Send{{To: "now"}}, eff.Sends)
	require.Empty(t, eff.Replies)
	eff.Reset()
	g.Durable(1, &eff)
	require.Equal(t, "soon", eff.Sends[0].To)
	require.Len(t, eff.Replies, 1)
	require.Equal(t, 2, g.Waiting())
	eff.Reset()
	g.Fail("disk", &eff)
	require.Empty(t, eff.Sends)
	failed := Response{ID: 2, Code: CodeFailed, Outcome: OutcomeUnknown, Detail: "disk"}
	require.Equal(t, Reply{Response: failed}, eff.Replies[0])
	require.Panics(t, func() { g.Durable(0, &eff) })
}
