package daemon

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

// Members that a node considers alive are asked, each once, unless they report themselves.
func TestSilentMembers(t *testing.T) {
	member := func(name, state string) Member {
		return Member{Name: name, State: state, Address: name + ":1", Voter: name != "d"}
	}
	health := func() Health {
		return Health{Voters: 3, VotersAlive: 3, Members: []Member{
			member("a", "alive"), member("b", "alive"), member("c", "alive"), member("d", "alive"), member("e", "dead"),
		}}
	}
	reports := []Report{
		{Name: "a", Answers: true, Record: Record{Address: "a:1"}, Health: health()},
		{Name: "b", Answers: true, Record: Record{Address: "b:1"}, Health: health()},
	}
	asked := make(chan string, 10)
	d := &Daemon{}
	d.FindSilent(t.Context(), reports)
	require.Equal(t, 3, reports[0].Health.VotersAlive, "no member is asked")
	d.Dial = func(_ context.Context, address string) error {
		asked <- address
		return errors.New("connection refused")
	}
	d.FindSilent(t.Context(), reports)
	require.ElementsMatch(t, []string{"c:1", "d:1"}, []string{<-asked, <-asked})
	require.Empty(t, asked)
	for _, r := range reports {
		require.Equal(t, 2, r.Health.VotersAlive)
		require.False(t, r.Health.LostMajority())
		states := ""
		for _, m := range r.Health.Members {
			states += m.State + " "
		}
		require.Equal(t, "alive alive silent silent dead ", states)
	}

	d.Dial = func(context.Context, string) error { return nil }
	reports[0].Health = health()
	d.FindSilent(t.Context(), reports[:1])
	require.Equal(t, "alive", reports[0].Health.Members[2].State)
	require.Error(t, Dial(t.Context(), "127.0.0.1:1"))
}
