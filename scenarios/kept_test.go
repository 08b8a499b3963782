package scenarios

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestKeptTextRoundTrips(t *testing.T) {
	for _, text := range []string{"none", "c1:3", "c1:3,7..9 c4:1", "c2:1..2,4"} {
		k, err := parseKept(text)
		require.NoError(t, err)
		require.Equal(t, text, formatKept(k))
	}
	require.Empty(t, formatKept(nil))
	k, err := parseKept("c1:3,7..9 c4:1")
	require.NoError(t, err)
	require.Equal(t, &Kept{{3, 7, 8, 9}, nil, nil, {1}}, k)
	require.Equal(t, 5, k.Ops())
	for _, bad := range []string{
		"c0:1", "c1", "c1:", "c1:0", "c1:2,1", "c1:2..1", "c1:1..", "c2:1 c1:1", "c1:1 c1:2", "1:1", "c101:1", "c1:1..1000001", "c1:1..900000", "c1:x",
	} {
		_, err := parseKept(bad)
		require.Error(t, err, bad)
	}
}

func TestKeptIsValidated(t *testing.T) {
	s := Default()
	s.Name, s.Clients, s.Expect = "x", 1, []Promise{Converged}
	s.Keep = &Kept{{1}}
	require.NoError(t, s.Validate())
	s.Keep = &Kept{nil, {1}}
	require.ErrorContains(t, s.Validate(), "there are 1 clients")
	s.Keep, s.Swarm = &Kept{{1}}, true
	require.ErrorContains(t, s.Validate(), "swarm")
}

// What is left is what it was, at the time at which it was, as far as thinking goes.
func TestKeptOperationsStayTheSame(t *testing.T) {
	generator := func() *Generator { return NewGenerator(rand.New(rand.NewPCG(1, 2)), defaultWorkload(), 3, 2) }
	var all []Op
	g := generator()
	for range 9 {
		op, ok := g.NextKept(nil)
		require.True(t, ok)
		all = append(all, op)
	}
	g = generator()
	k := &Kept{{1}, {2, 3, 9}}
	for _, number := range (*k)[1] {
		op, ok := g.NextKept(k)
		require.True(t, ok)
		want := all[number-1]
		op.Think, want.Think = 0, 0
		require.Equal(t, want, op)
	}
	_, more := g.NextKept(k)
	require.False(t, more)

	var until time.Duration
	for _, op := range all[:2] {
		until += op.Think
	}
	op, _ := generator().NextKept(k)
	require.Equal(t, until, op.Think)
	_, more = generator().NextKept(&Kept{{1}})
	require.False(t, more, "a client that is not named does nothing")
}
