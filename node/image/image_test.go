package image

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

type world interface{ Name() string }

type earth struct{}

func (earth) Name() string { return "earth" }

type shared struct{ n int }

// link is held together by pointers, in a circle.
type link struct {
	name string
	next *link
}

// circle is a Flattened.
type circle struct{ names []string }

func (c *circle) Flat() any { return &c.names }

func (c *circle) SetFlat(flat any) { c.names = *flat.(*[]string) }

type machine struct {
	*shared
	owner  world
	call   func() int
	on     bool
	small  int8
	signed int
	big    uint64
	mid    uint32
	short  uint16
	text   string
	raw    []byte
	empty  []byte
	sums   [3]uint64
	lines  [2][]string
	byName map[string]*link
	byID   map[[2]uint64]bool
	first  *link
	again  *link
	loop   *link
	ring   circle
	lent   []byte `image:"-"`
}

func full() *machine {
	a, loop := &link{name: "a"}, &link{name: "loop"}
	loop.next = loop
	return &machine{
		shared: &shared{7}, owner: earth{}, call: func() int { return 1 }, on: true, small: -3, signed: -1 << 40,
		big: 1<<63 + 5, mid: 1 << 31, short: 65535, text: "héllo", raw: []byte{1, 0, 2}, empty: []byte{},
		sums: [3]uint64{1, 1 << 60, 3}, lines: [2][]string{nil, {"x", ""}},
		byName: map[string]*link{"b": a, "a": {name: "other", next: a}},
		byID:   map[[2]uint64]bool{{1, 2}: true, {0, 9}: false},
		first:  a, again: a, loop: loop, ring: circle{[]string{"r", "s"}}, lent: []byte{9},
	}
}

// made is a machine as a start makes it.
func made() *machine {
	return &machine{shared: &shared{}, owner: earth{}, call: func() int { return 2 }, first: &link{name: "template"}}
}

func TestRoundTrip(t *testing.T) {
	before, after := full(), made()
	outside := after.shared
	image, err := Append([]byte("head"), before, Options{Kept: []any{before.shared}})
	require.NoError(t, err)
	own := after.first
	require.NoError(t, Restore(image[4:], after, Options{Kept: []any{outside}}))
	require.Same(t, outside, after.shared, "what is kept is that of the other machine")
	require.Equal(t, 2, after.call())
	require.Same(t, after.first, after.again, "pointers to the same stay so")
	require.Same(t, after.first, after.byName["b"])
	require.Same(t, after.first, after.byName["a"].next)
	require.Same(t, after.loop, after.loop.next)
	require.NotSame(t, after.first, before.first)
	require.Nil(t, after.lent)
	require.NotNil(t, after.empty)
	require.NotEqual(t, own, before.first)
	again, err := Append(nil, after, Options{Kept: []any{outside}})
	require.NoError(t, err)
	require.Equal(t, image[4:], again, "equal states have equal images")
	after.call, after.owner = nil, nil
	after.shared, before.shared, before.call, before.owner, before.lent = nil, nil, nil, nil, nil
	require.Equal(t, before, after)
}

func TestNothingIsForgotten(t *testing.T) {
	fields, err := Fields(full(), Options{Kept: []any{&shared{}}})
	require.NoError(t, err)
	var names []string
	for _, f := range fields {
		names = append(names, f.Name)
	}
	require.Equal(t, []string{"shared", "owner", "call", "on", "small", "signed", "big", "mid", "short", "text", "raw",
		"empty", "sums", "lines", "byName", "name", "next", "byID", "first", "again", "loop", "ring"}, names)
	type other struct{ n uint }
	a, err := Layout(new(shared), Options{})
	require.NoError(t, err)
	b, err := Layout(new(other), Options{})
	require.NoError(t, err)
	require.NotEqual(t, a, b)
}

func TestBounds(t *testing.T) {
	o := Options{Kept: []any{&shared{}}}
	image, err := Append(nil, full(), o)
	require.NoError(t, err)
	o.BytesMax = len(image)
	_, err = Append([]byte("before"), full(), o)
	require.NoError(t, err)
	o.BytesMax = 40
	_, err = Append(nil, full(), o)
	require.ErrorIs(t, err, ErrTooLarge)
	deep := &link{}
	for range depthMax + 1 {
		deep = &link{next: deep}
	}
	_, err = Append(nil, deep, Options{})
	require.ErrorIs(t, err, ErrTooLarge)
	_, err = Append(nil, &struct{ f float64 }{}, Options{})
	require.ErrorContains(t, err, "cannot be part of a state")
}

// Damage is an error, and no panic.
func FuzzRestore(f *testing.F) {
	kept := &shared{}
	image, err := Append(nil, full(), Options{Kept: []any{kept}})
	require.NoError(f, err)
	f.Add(image)
	f.Add(image[:len(image)/2])
	f.Add(bytes.Repeat([]byte{0xff}, 100))
	f.Fuzz(func(t *testing.T, image []byte) {
		m := made()
		if err := Restore(image, m, Options{Kept: []any{kept}}); err != nil {
			require.ErrorIs(t, err, ErrDamaged)
			return
		}
		_, err := Append(nil, m, Options{Kept: []any{kept}})
		require.NoError(t, err)
	})
}

// visited has every kind of place in which a struct may be.
type visited struct {
	kept    *shared
	own     link
	list    []link
	byName  map[string]link
	pointed *link
	again   *link
	owner   world
	circle  leaves
	lent    []link `image:"-"`
}

// leaves is a Flattened of structs.
type leaves struct{ all []link }

func (l *leaves) Flat() any { return &leavesFlat{append([]link(nil), l.all...)} }

func (l *leaves) SetFlat(flat any) { l.all = flat.(*leavesFlat).All }

type leavesFlat struct{ All []link }

func TestWalk(t *testing.T) {
	p := &link{name: "p"}
	p.next = p
	v := &visited{kept: &shared{7}, own: link{name: "own"}, list: []link{{name: "list"}},
		byName: map[string]link{"k": {name: "map"}}, pointed: p, again: p, owner: earth{},
		circle: leaves{[]link{{name: "flat"}}}, lent: []link{{name: "lent"}}}
	count := 0
	Walk(v, Options{Kept: []any{v.kept}}, func(s any) bool {
		require.NotEqual(t, v.kept, s)
		if l, is := s.(*link); is {
			l.name += "!"
			count++
		}
		return true
	})
	require.Equal(t, 5, count)
	require.Equal(t, "own! list! map! p! flat! lent", v.own.name+" "+v.list[0].name+" "+v.byName["k"].name+" "+
		v.pointed.name+" "+v.circle.all[0].name+" "+v.lent[0].name)
	Walk(v, Options{}, func(s any) bool {
		_, is := s.(*visited)
		require.True(t, is, "what is inside is not visited")
		return false
	})
}
