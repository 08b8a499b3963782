package swim

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// wallMs is the time of day at which members leave.
const wallMs = 1_700_000_000_000

// newMachine makes member 1 and starts it.
// sworn is how tests tell of members: as gossip, and believed without asking.
const sworn = answer + 1

func newMachine(t testing.TB, change func(*Options)) *Machine {
	o := Options{
		Config: testConfig(),
		Self:   Member{ID: 1, Name: "me", Addr: "me:1", Born: 100, Incarnation: 10},
		Rand:   rand.New(rand.NewPCG(1, 2)),
	}
	if change != nil {
		change(&o)
	}
	m, err := New(o)
	require.NoError(t, err)
	return m
}

func says(id ID, s State, incarnation uint64) *rumour {
	r := &rumour{id: id, state: s, born: uint64(id) * 100, incarnation: incarnation, name: fmt.Appendf(nil, "m%d", id),
		addr: fmt.Appendf(nil, "m%d:1", id)}
	if s == Suspect {
		r.accuser = 9
	}
	if s.Gone() {
		r.goneAt = wallMs
	}
	return r
}

// What is held, what is heard, what is held then. SWIM section 4.2, with the dead able to return.
func TestPrecedence(t *testing.T) {
	for _, c := range []struct {
		held  State
		heard State
		above int // incarnation heard minus incarnation held.
		want  State
		event bool
	}{
		{Alive, Alive, -1, Alive, false},
		{Alive, Alive, 0, Alive, false},
		{Alive, Alive, 1, Alive, false},
		{Alive, Suspect, -1, Alive, false},
		{Alive, Suspect, 0, Suspect, true},
		{Alive, Suspect, 1, Suspect, true},
		{Alive, Dead, -1, Alive, false},
		{Alive, Dead, 0, Dead, true},
		{Alive, Dead, 1, Dead, true},
		{Alive, Left, -1, Left, true},
		{Alive, Left, 0, Left, true},
		{Suspect, Alive, -1, Suspect, false},
		{Suspect, Alive, 0, Suspect, false},
		{Suspect, Alive, 1, Alive, true},
		{Suspect, Suspect, 0, Suspect, false},
		{Suspect, Suspect, 1, Suspect, false},
		{Suspect, Dead, -1, Suspect, false},
		{Suspect, Dead, 0, Dead, true},
		{Suspect, Left, 0, Left, true},
		{Dead, Alive, 0, Dead, false},
		{Dead, Alive, 1, Alive, true},
		{Dead, Suspect, 0, Dead, false},
		{Dead, Suspect, 1, Suspect, true},
		{Dead, Left, -1, Left, true},
		{Dead, Removed, -1, Removed, true},
		{Alive, Removed, -1, Removed, true},
		{Dead, Left, 0, Left, true},
		{Left, Alive, 0, Left, false},
		{Left, Alive, 1, Left, false},
		{Left, Removed, -1, Removed, true},
		{Removed, Alive, 1, Removed, false},
		{Removed, Suspect, 1, Removed, false},
		{Removed, Dead, 1, Removed, false},
		{Removed, Left, 1, Removed, false},
		{Left, Suspect, 0, Left, false},
		{Left, Dead, 0, Left, false},
		{Left, Dead, 1, Left, false},
	} {
		t.Run(fmt.Sprintf("%s %s%+d", c.held, c.heard, c.above), func(t *testing.T) {
			m := newMachine(t, nil)
			var out Output
			m.learn(0, says(2, c.held, 5), 3, sworn, &out)
			require.Equal(t, []Event{{Member: says(2, c.held, 5).member(), Was: c.held, New: true}}, out.Events)
			out = Output{}
			heard := uint64(5 + c.above)
			m.learn(0, says(2, c.heard, heard), 3, sworn, &out)
			got, ok := m.Lookup(2)
			require.True(t, ok)
			require.Equal(t, c.want, got.State)
			if c.event {
				require.Equal(t, []Event{{Member: got, Was: c.held}}, out.Events)
			} else {
				require.Empty(t, out.Events)
			}
			if c.above > 0 && !c.held.Gone() || c.event {
				require.Equal(t, heard, got.Incarnation)
			} else {
				require.Equal(t, uint64(5), got.Incarnation)
			}
		})
	}
}

// The order of arrival does not matter: all permutations of rumours end in the same table.
func TestRumoursCommute(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 500 {
		var all []*rumour
		for range 2 + rng.IntN(6) {
			r := says(2, State(rng.IntN(stateCount)), uint64(rng.IntN(3)))
			if rng.IntN(3) == 0 { // a clone.
				r.born, r.addr, r.name = uint64(rng.IntN(2)), fmt.Appendf(nil, "x:%d", rng.IntN(2)),
					fmt.Appendf(nil, "n%d", rng.IntN(2))
			}
			all = append(all, r)
		}
		var want Member
		for try := range 4 {
			m := newMachine(t, nil)
			var out Output
			for _, r := range all {
				m.learn(0, r, 3, sworn, &out)
			}
			got, _ := m.Lookup(2)
			if try > 0 {
				require.Equal(t, want, got)
			}
			want = got
			rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		}
	}
}

// A death told with a table is a suspicion for whoever sees the member alive, and news for whoever does not know it.
func TestDeathInTableIsSuspicion(t *testing.T) {
	for _, c := range []struct{ held, want State }{{Alive, Suspect}, {Suspect, Suspect}, {Dead, Dead}, {Left, Left}} {
		m := newMachine(t, nil)
		var out Output
		m.learn(0, says(2, c.held, 5), 3, answer, &out)
		m.learn(0, says(2, Dead, 5), 3, answer, &out)
		got, _ := m.Lookup(2)
		require.Equal(t, c.want, got.State)
	}
	m := newMachine(t, nil)
	m.learn(0, says(2, Dead, 5), 3, answer, &Output{})
	require.Equal(t, 1, m.Count(Dead))
}

func TestRumoursAboutSelf(t *testing.T) {
	self := func(change func(*rumour)) *rumour {
		r := &rumour{id: 1, born: 100, incarnation: 10, name: []byte("me"), addr: []byte("me:1")}
		change(r)
		return r
	}
	for _, c := range []struct {
		name  string
		heard *rumour
		want  uint64 // incarnation.
		clash bool
	}{
		{"the truth", self(func(*rumour) {}), 10, false},
		{"suspect", self(func(r *rumour) { r.state = Suspect }), 11, false},
		{"dead", self(func(r *rumour) { r.state = Dead }), 11, false},
		{"dead long ago", self(func(r *rumour) { r.state, r.incarnation = Dead, 9 }), 10, false},
		{"former run", self(func(r *rumour) { r.incarnation = 77 }), 78, false},
		{"former run, dead", self(func(r *rumour) { r.incarnation, r.state = 77, Dead }), 78, false},
		{"former name", self(func(r *rumour) { r.name = []byte("you") }), 11, false},
		{"former address", self(func(r *rumour) { r.addr, r.incarnation = []byte("old:1"), 9 }), 10, false},
		{"clone elsewhere", self(func(r *rumour) { r.addr = []byte("you:1") }), 11, true},
		{"clone elsewhere, ahead", self(func(r *rumour) { r.addr, r.incarnation = []byte("you:1"), 20 }), 21, true},
		{"stranger with our id", self(func(r *rumour) { r.born, r.incarnation = 99, 3 }), 10, true},
		{"cannot be topped", self(func(r *rumour) { r.incarnation = incarnationMax }), 10, false},
		{"of a run so far ahead that there is none",
			self(func(r *rumour) { r.incarnation = FirstIncarnation(runsAheadMax+1, 0) }), 10, false},
		{"of a run far ahead", self(func(r *rumour) { r.incarnation = FirstIncarnation(runsAheadMax, 0) }),
			FirstIncarnation(runsAheadMax, 0) + 1, false},
		{"as if it had refuted all the time",
			self(func(r *rumour) { r.state, r.incarnation = Dead, 1<<lifeShift-1 }), 10, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newMachine(t, nil)
			m.rumours = nil
			var out Output
			m.learn(0, c.heard, 3, sworn, &out)
			require.Equal(t, c.want, m.Self().Incarnation)
			require.Equal(t, Alive, m.Self().State)
			require.Equal(t, c.want != 10, len(m.rumours) == 1, "a refutation is gossiped")
			require.Empty(t, out.Events)
			claim, clash := m.Clash()
			require.Equal(t, c.clash, clash)
			if clash {
				require.Equal(t, c.heard.member(), claim)
			}
		})
	}
}

func TestFullTable(t *testing.T) {
	m := newMachine(t, func(o *Options) { o.Config.MembersMax = 4 })
	var out Output
	m.learn(1, says(2, Alive, 1), 2, sworn, &out)
	m.learn(2, says(3, Left, 1), 2, sworn, &out)
	m.learn(3, says(4, Left, 1), 2, sworn, &out)
	require.Len(t, out.Events, 3)
	for _, s := range []State{Dead, Left} {
		m.learn(4, says(5, s, 1), 2, sworn, &out)
	}
	require.Equal(t, uint64(2), m.Counters().TableFull)
	m.learn(5, says(5, Alive, 1), 2, sworn, &out) // the one that left first gives way.
	require.Equal(t, []ID{1, 2, 4, 5}, ids(m.Members()))
	m.learn(6, says(6, Suspect, 1), 2, sworn, &out)
	require.Equal(t, []ID{1, 2, 5, 6}, ids(m.Members()))
	m.learn(7, says(7, Alive, 1), 2, sworn, &out)
	require.Equal(t, []ID{1, 2, 5, 6}, ids(m.Members()))
	require.Equal(t, uint64(3), m.Counters().TableFull)
	require.Len(t, m.rumours, 4, "nothing is said of the forgotten")
}

func ids(members []Member) (all []ID) {
	for _, m := range members {
		all = append(all, m.ID)
	}
	return all
}

func TestSuspicionTime(t *testing.T) {
	c := DefaultConfig()
	for _, w := range []struct {
		members, wanted, confirmed int
		want                       time.Duration
	}{
		{2, 0, 0, 8 * time.Second}, // nobody could confirm: the middle.
		{3, 1, 0, 12 * time.Second},
		{3, 1, 1, 4 * time.Second}, // the third agrees.
		{5, 2, 0, 18 * time.Second},
		{5, 2, 1, 10_429 * time.Millisecond},
		{5, 2, 2, 6 * time.Second},
		{5, 2, 3, 6 * time.Second},
		{100, 2, 2, 14 * time.Second},
	} {
		got := suspicionTime(&c, w.members, w.wanted, w.confirmed, 0)
		require.Equal(t, w.want, got.Round(time.Millisecond), "%+v", w)
	}
}

func TestConfirmationsShortenSuspicion(t *testing.T) {
	m := newMachine(t, nil)
	var out Output
	for id := ID(2); id < 7; id++ {
		m.learn(0, says(id, Alive, 1), id, sworn, &out)
	}
	p := m.find(6)
	accused := func(by ID) time.Duration {
		r := says(6, Suspect, 1)
		r.accuser = by
		m.learn(time.Second, r, 2, sworn, &out)
		return p.suspicion.deadline - time.Second
	}
	require.Equal(t, 18*time.Second, accused(2))
	require.Equal(t, 18*time.Second, accused(2), "the same accuser is no confirmation")
	require.Less(t, accused(3), 11*time.Second)
	require.Equal(t, ID(3), p.accuser(), "the confirmation is gossiped on")
	require.Equal(t, 6*time.Second, accused(4))
	require.Equal(t, 6*time.Second, accused(5), "enough is enough")
	require.Equal(t, ID(4), p.accuser())
}
