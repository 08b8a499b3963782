package documents

import (
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/node/swim"
)

func TestHintsAboutMembers(t *testing.T) {
	elder := swim.Member{ID: 1, Name: "a", Addr: "h:1", Born: 1 << 16}
	younger := swim.Member{ID: 2, Name: "a", Addr: "h:2", Born: 2 << 16}
	hints := func(elderState, youngerState swim.State, youngerAddr string) (string, string) {
		elder, younger := elder, younger
		elder.State, younger.State, younger.Addr = elderState, youngerState, youngerAddr
		all := []swim.Member{elder, younger}
		return memberHint(all, &all[0]), memberHint(all, &all[1])
	}
	old, young := hints(swim.Dead, swim.Alive, "h:2")
	require.Contains(t, old, "replaced by 0000000000000002?")
	require.Empty(t, young)
	old, young = hints(swim.Alive, swim.Dead, "h:2")
	require.Empty(t, old)
	require.Empty(t, young, "the elder has not taken its place")
	old, young = hints(swim.Alive, swim.Alive, "h:2")
	require.Equal(t, "0000000000000002 at h:2 has the same name: give one of them another in its configuration", old)
	require.Contains(t, young, "0000000000000001 at h:1 has the same name")
	old, young = hints(swim.Alive, swim.Alive, "h:1")
	require.Empty(t, old+young, "they do not both live")
}
