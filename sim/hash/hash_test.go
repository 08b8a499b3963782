package hash

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// Every byte and its place count.
func TestTraceTellsApart(t *testing.T) {
	seen := map[string]string{}
	add := func(what string, fill func(*Hash)) {
		tr := New(1)
		fill(&tr)
		require.Empty(t, seen[tr.String()], what)
		seen[tr.String()] = what
	}
	add("nothing", func(*Hash) {})
	add("zero", func(t *Hash) { t.Word(0) })
	add("one", func(t *Hash) { t.Word(1) })
	add("one, zero", func(t *Hash) { t.Word(1); t.Word(0) })
	add("zero, one", func(t *Hash) { t.Word(0); t.Word(1) })
	base := []byte("a text of more than two words")
	add("text", func(t *Hash) { t.Bytes(base) })
	for i := range base {
		for bit := range 8 {
			b := slices.Clone(base)
			b[i] ^= 1 << bit
			add(string(b), func(t *Hash) { t.Bytes(b) })
		}
	}
	a, b := New(1), New(1)
	a.Bytes(base)
	b.Text(string(base))
	require.Equal(t, a, b)
	require.NotEqual(t, New(1).String(), New(2).String())
}
