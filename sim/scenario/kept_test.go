package scenario

import (
	"testing"

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
		"c0:1", "c1", "c1:", "c1:0", "c1:2,1", "c1:2..1", "c1:1..", "c2:1 c1:1", "c1:1 c1:2", "1:1", "c101:1",
		"c1:1..1000001", "c1:1..900000", "c1:x",
	} {
		_, err := parseKept(bad)
		require.Error(t, err, bad)
	}
}

func TestKeptIsValidated(t *testing.T) {
	s := Default(&None{})
	s.Name, s.Clients, s.Expect = "x", 1, []Promise{Finished}
	s.Keep = &Kept{{1}}
	require.NoError(t, s.Validate())
	s.Keep = &Kept{nil, {1}}
	require.ErrorContains(t, s.Validate(), "there are 1 clients")
	s.Keep, s.Swarm = &Kept{{1}}, true
	require.ErrorContains(t, s.Validate(), "swarm")
}
