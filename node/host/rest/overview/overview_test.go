package overview

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/stretchr/testify/require"
	"github.com/valyala/fasthttp"

	"kvs/node/api"
	"kvs/node/host/rest/forwarding"
)

// member is one whose ID and address are made of its number.
func member(i int) api.Member {
	return api.Member{ID: fmt.Sprintf("%016x", i), Name: fmt.Sprintf("n%04d", i), Address: fmt.Sprint(i),
		State: "alive"}
}

// statusAt is the status of the member with this number, as it sees a cluster of so many.
func statusAt(i, members int) api.Status {
	st := api.Status{ID: member(i).ID, Name: member(i).Name, Cluster: "c", Mode: "normal", Ready: true, Digest: "d"}
	for m := range members {
		st.Members = append(st.Members, member(m))
	}
	return st
}

// An overview asks a bounded number of members, a bounded number of them at a time, and says whom it did not ask.
func TestGatherIsBounded(t *testing.T) {
	const members = membersMax + 20
	var asked, atOnce, most atomic.Int32
	full := make(chan struct{})
	got := gather(statusAt(0, members), time.Second, func(addr string) (*api.Status, error) {
		if now := atOnce.Add(1); now > most.Load() {
			most.Store(now)
		}
		defer atOnce.Add(-1)
		if asked.Add(1) == atOnceMax {
			close(full) // as many as may be asked at once are.
		}
		<-full
		var i int
		if _, err := fmt.Sscan(addr, &i); err != nil {
			return nil, err
		}
		st := statusAt(i, members)
		return &st, nil
	})
	require.Equal(t, int32(membersMax-1), asked.Load(), "its own status is known")
	require.LessOrEqual(t, most.Load(), int32(atOnceMax))
	require.Len(t, got.Members, members)
	require.True(t, got.Equal)
	for i, m := range got.Members {
		require.Equal(t, member(i).Name, m.Member.Name)
		if i < membersMax {
			require.NotNil(t, m.Status)
			require.Empty(t, m.Error)
		} else {
			require.Contains(t, m.Error, "not asked: an overview asks 128 members")
		}
	}
}

// Members that hold something else, that do not answer, and that are somebody else.
func TestGatherSaysWhatIsWrong(t *testing.T) {
	got := gather(statusAt(0, 4), time.Second, func(addr string) (*api.Status, error) {
		switch addr {
		case "1":
			st := statusAt(1, 4)
			st.Digest = "other"
			return &st, nil
		case "2":
			return nil, errors.New("silent")
		}
		st := statusAt(9, 4)
		return &st, nil
	})
	require.False(t, got.Equal)
	require.Equal(t, "other", got.Members[1].Status.Digest)
	require.Equal(t, "silent", got.Members[2].Error)
	require.Contains(t, got.Members[3].Error, "another node (0000000000000009) answers there")
	require.NotEmpty(t, got.Findings)
}

// Too many overviews at once are refused, and an ended one makes room.
func TestDeskIsBounded(t *testing.T) {
	app := fiber.New()
	c := app.AcquireCtx(&fasthttp.RequestCtx{})
	defer app.ReleaseCtx(c)
	var d Desk
	d.underWay.Store(overviewsMax)
	_, err := d.Overview(c, statusAt(0, 1), forwarding.Request{})
	require.ErrorIs(t, err, ErrFull)
	d.underWay.Add(-1)
	got, err := d.Overview(c, statusAt(0, 1), forwarding.Request{})
	require.NoError(t, err)
	require.Len(t, got.Members, 1)
	require.Equal(t, int32(overviewsMax-1), d.underWay.Load())
}
