package swim

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A member that proves one name and speaks in the name of another is not heard, whatever the message.
func TestAMemberCannotSpeakForAnother(t *testing.T) {
	line := func(id ID, name string) rumour {
		r := *says(id, Alive, 7)
		r.name = []byte(name)
		return r
	}
	messages := map[string]packet{
		"request":     {kind: kindRequest, seq: 1, sender: 2, self: line(2, "m2")},
		"response":    {kind: kindResponse, seq: 1, sender: 2, self: line(2, "m2")},
		"stream ping": {kind: kindStreamPing, sender: 2, target: 1, seq: 1},
		"stream ack":  {kind: kindStreamAck, sender: 2, target: 2, seq: 1},
		"question":    {kind: kindAsk, sender: 2, target: 1, seq: 1, rumours: []rumour{line(2, "m2")}},
		"answer":      {kind: kindAnswer, sender: 2, target: 2, seq: 1, rumours: []rumour{line(2, "m2")}},
	}
	for what, p := range messages {
		m := newMachine(t, nil)
		var out Output
		m.learn(0, says(2, Alive, 1), 2, sworn, &out)
		require.ErrorIs(t, m.Stream(0, Speaker{ID: 3, Name: "m3"}, p.encode(), &out), ErrImpostor, what)
		require.ErrorIs(t, m.Stream(0, Speaker{ID: 3}, p.encode(), &out), ErrImpostor, what)
		require.ErrorIs(t, m.Vet(Speaker{ID: 2, Name: "m3"}), ErrImpostor)
		require.NoError(t, m.Vet(Speaker{ID: 2}))
		held, _ := m.Lookup(2)
		require.EqualValues(t, 1, held.Incarnation, what)
		require.NoError(t, m.Vet(Speaker{ID: 2, Name: "m2"}))
		require.NoError(t, m.Stream(0, Speaker{ID: 2, Name: "m2"}, p.encode(), &out), what)

		stranger := newMachine(t, nil) // it has not met member 2: the line that the message carries decides.
		err := stranger.Stream(0, Speaker{ID: 2, Name: "m3"}, p.encode(), &out)
		if p.kind != kindStreamPing && p.kind != kindStreamAck {
			require.ErrorIs(t, err, ErrImpostor, what)
		}
		require.Nil(t, stranger.find(2), what)
	}
	m := newMachine(t, nil)
	require.ErrorIs(t, m.Vet(Speaker{ID: 1, Name: "m2"}), ErrImpostor, "nor for this one")
}

// Where names are fixed nobody is made to be known by another one: else its owner could speak for them.
func TestNamesAreFixed(t *testing.T) {
	other := says(2, Alive, 5)
	other.name = []byte("m3")
	for _, fixed := range []bool{false, true} {
		m := newMachine(t, func(o *Options) {
			o.Config.NamesFixed = fixed
			o.Known = []Member{{ID: 3, Name: "m3", Addr: "m3:1"}}
		})
		var out Output
		m.learn(0, says(2, Alive, 1), 2, sworn, &out)
		m.learn(0, other, 2, sworn, &out)
		held, _ := m.Lookup(2)
		if fixed {
			require.Equal(t, "m2", held.Name)
			require.EqualValues(t, 1, m.Counters().Renamed)
		} else {
			require.Equal(t, "m3", held.Name)
		}
		known := says(3, Alive, 9) // from the address book.
		known.name = []byte("m9")
		m.learn(0, known, 3, sworn, &out)
		held, _ = m.Lookup(3)
		require.Equal(t, fixed, held.Name == "m3")
	}
}
