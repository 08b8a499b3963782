package swim

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func dialled(out *Output) (addrs []string) {
	for _, s := range out.Sends {
		if s.Stream && s.Data[1] == kindRequest {
			addrs = append(addrs, s.To)
		}
	}
	return addrs
}

func TestStartDialsSeedsAndKnown(t *testing.T) {
	m := newMachine(t, func(o *Options) {
		o.Seeds = []string{"s1:1", "me:1", "s2:1", "s1:1"} // with itself, and one twice.
		o.Known = []Member{
			{ID: 2, Addr: "k2:1"}, {ID: 3, Addr: "k3:1", State: Dead}, {ID: 4, Addr: "k4:1", State: Left},
			{ID: 5, Addr: "s2:1"}, {ID: 1, Addr: "former:1"}, {ID: 6},
		}
	})
	require.Equal(t, time.Duration(0), m.Next(), "due at once")
	var out Output
	m.Tick(0, &out)
	require.Equal(t, []string{"s1:1", "s2:1", "k2:1", "k3:1"}, dialled(&out))
}

// Many addresses are dialled in turn, a few at a time, and none is left out.
func TestDialsAreBoundedAndFair(t *testing.T) {
	m := newMachine(t, func(o *Options) {
		for i := range 20 {
			o.Seeds = append(o.Seeds, fmt.Sprintf("s%d:1", i))
		}
	})
	count := map[string]int{}
	for m.Next() < 10*time.Minute {
		var out Output
		now := m.Next()
		m.Tick(now, &out)
		to := dialled(&out)
		require.True(t, len(to) <= dialsRound || now == 0 && len(to) == dialsFirst)
		for _, a := range to {
			count[a]++
		}
	}
	require.Len(t, count, 20)
	for a, n := range count {
		require.InDelta(t, 12, n, 3, a)
	}
}

func TestJoin(t *testing.T) {
	m := newMachine(t, nil)
	var out Output
	m.Join(0, []string{"a:1", "", "me:1", "b:1"}, &out)
	require.Equal(t, []string{"a:1", "b:1"}, dialled(&out))

	var many []string
	for i := range 100 {
		many = append(many, fmt.Sprintf("x%d:1", i))
	}
	out = Output{}
	m.Join(0, many, &out)
	require.Equal(t, many, dialled(&out), "all are dialled once")
	require.Len(t, m.contacts, seedsMax, "but not all remembered")
}

// A seed that turns out to be this member under another name is left alone as long as there is anybody else.
func TestSeedIsAlias(t *testing.T) {
	m := newMachine(t, func(o *Options) { o.Seeds = []string{"alias:1"} })
	var out Output
	m.Tick(0, &out)
	require.Equal(t, []string{"alias:1"}, dialled(&out))
	request := out.Sends[0].Data
	out = Output{}
	require.NoError(t, m.Stream(0, Speaker{}, request, &out))
	require.Empty(t, out.Sends)
	require.Zero(t, m.Counters().Clashes)
	require.True(t, m.wanted(&m.contacts[0]), "alone: another member may share the alias")
	m.learn(0, says(2, Alive, 1), 2, sworn, &out)
	require.False(t, m.wanted(&m.contacts[0]))
}

// An answer to a dialled seed ties the two together: by member, for the address may be a name.
func TestSeedAnswers(t *testing.T) {
	m := newMachine(t, func(o *Options) { o.Seeds = []string{"name:1"} })
	var out Output
	m.Tick(0, &out)
	answer := packet{kind: kindResponse, seq: m.contacts[0].seq, self: *says(2, Alive, 1)}
	require.NoError(t, m.Stream(0, Speaker{}, answer.encode(), &out))
	require.False(t, m.wanted(&m.contacts[0]))
	require.LessOrEqual(t, m.exchangeAt, m.cfg.ProbeInterval, "soon after joining tables are exchanged again")
	for _, s := range []State{Suspect, Dead, Left, Removed} {
		m.learn(0, says(2, s, 1), 3, sworn, &out)
		require.Equal(t, s != Suspect, m.wanted(&m.contacts[0]), "%s", s)
	}
}

// Nobody dials a dead member at an address where another one lives now.
func TestTakenAddressIsNotDialled(t *testing.T) {
	m := filled(t, 3, nil)
	var out Output
	m.learn(0, says(2, Dead, 1), 3, sworn, &out)
	m.dial(time.Second, &out)
	require.Equal(t, []string{"m2:1"}, dialled(&out))
	heir := says(4, Alive, 1)
	heir.addr = []byte("m2:1")
	m.learn(0, heir, 3, sworn, &out)
	out = Output{}
	m.dial(time.Minute, &out)
	require.Empty(t, dialled(&out))
}

func TestConfigCheck(t *testing.T) {
	require.NoError(t, DefaultConfig().Check())
	for _, c := range []struct {
		want   string
		change func(*Config)
	}{
		{"probe interval", func(c *Config) { c.ProbeInterval = 0 }},
		{"probe interval", func(c *Config) { c.ProbeInterval = 2 * time.Hour }},
		{"probe timeout", func(c *Config) { c.ProbeTimeout = -1 }},
		{"probe timeout 1s: want less than", func(c *Config) { c.ProbeTimeout = time.Second }},
		{"push-pull interval", func(c *Config) { c.PushPullInterval = 0 }},
		{"dead-dial interval", func(c *Config) { c.DeadDialInterval = 0 }},
		{"indirect probes", func(c *Config) { c.IndirectProbes = -1 }},
		{"local health", func(c *Config) { c.LocalHealthMax = -1 }},
		{"suspicion multiplier", func(c *Config) { c.SuspicionMult = 0 }},
		{"suspicion maximum multiplier", func(c *Config) { c.SuspicionMaxMult = 0 }},
		{"suspicion confirmations", func(c *Config) { c.SuspicionConfirmations = 8 }},
		{"retransmit multiplier", func(c *Config) { c.RetransmitMult = 0 }},
		{"datagram bytes", func(c *Config) { c.DatagramBytesMax = 500 }},
		{"members", func(c *Config) { c.MembersMax = 1 }},
		{"members", func(c *Config) { c.MembersMax = membersHardMax + 1 }},
	} {
		cfg := DefaultConfig()
		c.change(&cfg)
		require.ErrorContains(t, cfg.Check(), c.want)
	}
	extreme := Config{
		ProbeInterval: intervalMax, ProbeTimeout: 1e6, IndirectProbes: multMax, LocalHealthMax: multMax,
		SuspicionMult: multMax, SuspicionMaxMult: multMax,
		SuspicionConfirmations: confirmationsMax, RetransmitMult: multMax, PushPullInterval: intervalMax,
		DeadDialInterval: intervalMax,
		DatagramBytesMax: datagramBytesMaxMax, MembersMax: membersHardMax,
	}
	require.NoError(t, extreme.Check())
	for confirmed := range confirmationsMax + 1 {
		require.Positive(t, suspicionTime(&extreme, membersHardMax, confirmationsMax, confirmed, 0), "no overflow")
	}
}

func TestOptionsCheck(t *testing.T) {
	for _, c := range []struct {
		want   string
		change func(*Options)
	}{
		{"randomness", func(o *Options) { o.Rand = nil }},
		{"id is zero", func(o *Options) { o.Self.ID = 0 }},
		{"own address", func(o *Options) { o.Self.Addr = "" }},
		{"own name", func(o *Options) { o.Self.Name = string(make([]byte, 256)) }},
		{"starts alive", func(o *Options) { o.Self.State = Dead }},
		{"own incarnation", func(o *Options) { o.Self.Incarnation = 1 << 63 }},
		{"seed address", func(o *Options) { o.Seeds = []string{""} }},
		{"65 seeds", func(o *Options) { o.Seeds = make([]string, 65) }},
		{"probe interval", func(o *Options) { o.Config = Config{} }},
	} {
		m := newMachine(t, nil)
		o := Options{Config: m.cfg, Self: m.self, Rand: m.rng}
		c.change(&o)
		_, err := New(o)
		require.ErrorContains(t, err, c.want)
	}
}

func TestMembersIsACopy(t *testing.T) {
	m := filled(t, 3, func(o *Options) { o.Self.ID = 1 })
	all := m.Members()
	require.Equal(t, []ID{1, 2, 3}, ids(all))
	all[1].State = Dead
	got, ok := m.Lookup(2)
	require.True(t, ok)
	require.Equal(t, Alive, got.State)
	self, ok := m.Lookup(1)
	require.True(t, ok)
	require.Equal(t, m.Self(), self)
	_, ok = m.Lookup(9)
	require.False(t, ok)
}

func TestID(t *testing.T) {
	id, err := ParseID("00000000000000ff")
	require.NoError(t, err)
	require.Equal(t, ID(255), id)
	require.Equal(t, "00000000000000ff", id.String())
	for _, s := range []string{"", "ff", "0000000000000000", "00000000000000fg", "00000000000000ff0"} {
		_, err := ParseID(s)
		require.Error(t, err, s)
	}
}
