package rest

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/node/api"
	"kvs/node/swim"
)

func TestDeparting(t *testing.T) {
	s := newSite(t)
	s.core.set(func(f *fakeCore) { f.snapshot = fullSnapshot() })
	const id = "0000000000000004"
	var m api.Member
	s.target("DELETE", "/members/"+id).json(&m)
	require.Equal(t, "removed", m.State)
	require.Equal(t, "remove "+id+" false", s.core.departed)
	s.target("DELETE", "/members/"+id+"?force=true").json(&m)
	require.Equal(t, "remove "+id+" true", s.core.departed)
	s.do("POST", "/members/leave?force=true", "{}", "Content-Type", api.ContentTypeJSON).json(&m)
	require.Equal(t, "leave true", s.core.departed)
	require.True(t, m.Self)

	s.core.departed = ""
	s.target("POST", "/members/leave").problem(api.BadMediaType)
	s.target("DELETE", "/members/"+id+"?force=yes").problem(api.BadParameter)
	s.target("DELETE", "/members/nnnnnnnnnnnnnnnn").problem(api.BadPath)
	require.Empty(t, s.core.departed)
	for err, code := range map[error]api.Code{
		swim.ErrUnknownMember: api.NoMember, swim.ErrMemberAlive: api.MemberAlive, swim.ErrRemoveSelf: api.MemberAlive,
		ErrNotHandedOver: api.NotHandedOver, ErrStopping: api.ShuttingDown, fmt.Errorf("late"): api.Timeout,
	} {
		s.core.set(func(f *fakeCore) { f.departs = fmt.Errorf("so: %w", err) })
		s.target("DELETE", "/members/"+id).problem(code)
	}
}
