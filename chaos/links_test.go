package chaos

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func apply(t *testing.T, l *Links, text string) {
	t.Helper()
	f, err := ParseFault(text)
	require.NoError(t, err)
	require.True(t, l.Apply(f), text)
}

// blocked lists the blocked pairs as "12" for n1 -> n2.
func blocked(l *Links, nodes int) []string {
	var out []string
	for from := 1; from <= nodes; from++ {
		for to := 1; to <= nodes; to++ {
			if l.Blocked(from, to) {
				out = append(out, string([]byte{byte('0' + from), byte('0' + to)}))
			}
		}
	}
	return out
}

func TestLinksBlock(t *testing.T) {
	l := NewLinks(4, Link{})
	require.Empty(t, blocked(l, 4))
	apply(t, l, "partition n1 | n2,n3") // n4 is named nowhere: a bridge.
	require.Equal(t, []string{"12", "13", "21", "31"}, blocked(l, 4))
	apply(t, l, "partition n1,n2 | n3 | n4")
	require.Equal(t, []string{"13", "14", "23", "24", "31", "32", "34", "41", "42", "43"}, blocked(l, 4),
		"replaces the former one")
	apply(t, l, "heal-partition")
	require.Empty(t, blocked(l, 4))

	apply(t, l, "cut n1 -> n2,n3")
	apply(t, l, "cut n4 -> n1")
	require.Equal(t, []string{"12", "13", "41"}, blocked(l, 4), "one way, and cuts add up")
	apply(t, l, "partition n3 | n4")
	apply(t, l, "heal-partition")
	require.Equal(t, []string{"12", "13", "41"}, blocked(l, 4), "the end of a partition leaves cuts alone")
	apply(t, l, "heal-cut n1 -> n2")
	require.Equal(t, []string{"13", "41"}, blocked(l, 4))
	apply(t, l, "heal-cut")
	require.Empty(t, blocked(l, 4))

	for _, end := range []string{"heal", "recover"} {
		apply(t, l, "partition n1 | n2,n3,n4")
		apply(t, l, "cut n2 -> n3")
		apply(t, l, end)
		require.Empty(t, blocked(l, 4))
	}
}

func TestLinksClog(t *testing.T) {
	l := NewLinks(3, Link{})
	apply(t, l, "clog n1 -> n2,n3")
	apply(t, l, "clog n3 -> n1")
	apply(t, l, "reset")
	require.True(t, l.Clogged(1, 2) && l.Clogged(1, 3) && l.Clogged(3, 1))
	require.False(t, l.Clogged(2, 1))
	require.Empty(t, blocked(l, 3), "what is clogged is not lost")
	apply(t, l, "heal-clog n1 -> n2")
	require.False(t, l.Clogged(1, 2))
	require.True(t, l.Clogged(1, 3))
	for _, end := range []string{"heal-clog", "heal", "recover"} {
		apply(t, l, "clog n1 -> n2")
		apply(t, l, end)
		require.Equal(t, NewLinks(3, Link{}), l, end)
	}
}

func TestLinksAddToTheNetwork(t *testing.T) {
	base := Link{Delay: time.Millisecond, DelayMax: 5 * time.Millisecond, Loss: 10_000, Corrupt: 7}
	l := NewLinks(3, base)
	require.Equal(t, base, l.Link(1, 2))
	apply(t, l, "loss 30%")
	apply(t, l, "delay n1 -> n2,n3 50ms..200ms")
	apply(t, l, "duplicate n2 -> n1 1%")
	apply(t, l, "reorder 2%")
	apply(t, l, "corrupt n1 -> n2 100%")
	apply(t, l, "forge n1 -> n2 25%")
	want := Link{51 * time.Millisecond, 205 * time.Millisecond, 310_000, 0, 20_000, PPMAll, 250_000}
	require.Equal(t, want, l.Link(1, 2))
	require.Equal(t, Link{time.Millisecond, 5 * time.Millisecond, 310_000, 10_000, 20_000, 7, 0}, l.Link(2, 1))
	require.Equal(t, base, l.Link(1, 1), "a node reaches itself with no faults")
	apply(t, l, "loss n1 -> n2 5%")
	require.Equal(t, int64(60_000), l.Link(1, 2).Loss, "the last word on a link counts")
	require.Equal(t, int64(310_000), l.Link(1, 3).Loss)
	apply(t, l, "loss 0%")
	require.Equal(t, int64(10_000), l.Link(1, 2).Loss, "zero ends the fault, not the network's own loss")
	apply(t, l, "heal")
	require.Equal(t, base, l.Link(1, 2))
}

func TestLinksMindTheirOwnBusiness(t *testing.T) {
	l := NewLinks(3, Link{})
	for _, c := range faults {
		network := c.want.Kind.Class() == Network || c.want.Kind == Recover
		require.Equal(t, network, l.Apply(c.want), c.text)
	}
	require.Panics(t, func() { NewLinks(10, Link{}) })
}

func TestLinksLookUpWithoutAllocating(t *testing.T) {
	l := NewLinks(3, Link{})
	apply(t, l, "loss 30%")
	var sum int64
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if !l.Blocked(1, 2) {
			sum += l.Link(1, 2).Loss
		}
	}))
	require.NotZero(t, sum)
}
