package machine

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// word is a reply that waits for a persist.
type word struct {
	after PersistID
	text  string
}

func (w word) WaitsFor() PersistID { return w.after }

func said(sends []Send, words []word) (out []string) {
	for _, s := range sends {
		out = append(out, s.To)
	}
	for _, w := range words {
		out = append(out, w.text)
	}
	return out
}

func TestGateHoldsUntilDurable(t *testing.T) {
	var g Gate[word]
	sends := []Send{{After: 1, To: "s1"}, {To: "s0"}, {After: 3, To: "s3"}, {After: 2, To: "s2"}}
	words := []word{{2, "w2"}, {0, "w0"}, {3, "w3"}}
	require.Equal(t, []string{"s0", "w0"}, said(g.Pass(slices.Clone(sends), slices.Clone(words))))
	require.Equal(t, 5, g.Waiting())
	require.Equal(t, []string{"s1", "s2", "w2"}, said(g.Durable(2, nil, nil)), "in the order in which they came")
	require.Equal(t, []string{"s1", "s0", "s2", "w2", "w0"}, said(g.Pass(slices.Clone(sends), slices.Clone(words))),
		"2 is durable by now")
	require.Equal(t, []string{"first", "s3", "s3", "w3", "w3"}, said(g.Durable(3, []Send{{To: "first"}}, nil)))
	require.Zero(t, g.Waiting())
	require.Empty(t, said(g.Durable(3, nil, nil)), "nothing is said twice")
	require.Panics(t, func() { g.Durable(2, nil, nil) })
}

// What waits for a disk that broke: messages are never sent, and replies are given back.
func TestGateFails(t *testing.T) {
	var g Gate[word]
	g.Pass([]Send{{After: 1, To: "s"}}, []word{{1, "w"}})
	require.Equal(t, []word{{0, "earlier"}, {1, "w"}}, g.Fail([]word{{0, "earlier"}}))
	require.Zero(t, g.Waiting())
	require.Empty(t, said(g.Durable(1, nil, nil)))
}
