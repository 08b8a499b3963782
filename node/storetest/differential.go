package storetest

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/node"
)

// Differential drives two disks with the same random operations, drawn from seed, and requires that they show the same
// at every step: values, listings from anywhere, and everything after reopening. The seed is in the message of a
// failure.
func Differential(t *testing.T, seed uint64, a, b Disk) {
	t.Helper()
	d := &differential{
		t: t, seed: seed, rng: rand.New(rand.NewPCG(seed, 0x73746f7265)),
		diskA: a, diskB: b, a: open(t, a), b: open(t, b),
	}
	const steps = 200
	for d.step = range steps {
		switch p := d.rng.IntN(100); {
		case p < 55:
			d.apply()
		case p < 75:
			d.get(d.key())
		case p < 96:
			d.scan()
		default:
			d.a.reopen(a)
			d.b.reopen(b)
		}
	}
	require.Equal(t, d.a.content(), d.b.content(), "seed %d, at the end", seed)
}

type differential struct {
	t            *testing.T
	seed         uint64
	step         int
	rng          *rand.Rand
	diskA, diskB Disk
	a, b         *subject
}

func (d *differential) where() string { return fmt.Sprintf("seed %d, step %d", d.seed, d.step) }

// key draws from few keys, so that they collide, that share prefixes and contain awkward bytes.
func (d *differential) key() string {
	const alphabet = "ab/-\x00\xff"
	b := make([]byte, 1+d.rng.IntN(4))
	for i := range b {
		b[i] = alphabet[d.rng.IntN(len(alphabet))]
	}
	return string(b)
}

func (d *differential) value() []byte {
	n := 0
	switch p := d.rng.IntN(100); {
	case p < 10: // empty.
	case p < 90:
		n = 1 + d.rng.IntN(200)
	case p < 99:
		n = d.rng.IntN(64 << 10)
	default:
		n = d.rng.IntN(3 << 20)
	}
	return []byte(large(n, byte(d.rng.Uint32())))
}

func (d *differential) apply() {
	changes := make([]node.Change, d.rng.IntN(12))
	for i := range changes {
		changes[i].Key = d.key()
		if d.rng.IntN(3) > 0 {
			changes[i].Value = d.value()
		}
	}
	require.NoError(d.t, d.a.store.Apply(changes), d.where())
	require.NoError(d.t, d.b.store.Apply(changes), d.where())
	for _, change := range changes {
		d.get(change.Key)
	}
}

func (d *differential) get(key string) {
	valueA, foundA := d.a.get(key)
	valueB, foundB := d.b.get(key)
	require.Equal(d.t, foundA, foundB, "%s: get %q", d.where(), key)
	require.True(d.t, string(valueA) == string(valueB) && (valueA == nil) == (valueB == nil),
		"%s: get %q: %s and %s", d.where(), key, short(string(valueA)), short(string(valueB)))
}

func (d *differential) scan() {
	prefix, from, limit := "", "", 1+d.rng.IntN(50)
	if d.rng.IntN(2) == 0 {
		prefix = d.key()[:1]
	}
	if d.rng.IntN(2) == 0 {
		from = d.key()
	}
	var shown [2][]string
	for i, s := range []*subject{d.a, d.b} {
		require.NoError(d.t, s.store.Scan(prefix, from, func(key string, value []byte) bool {
			shown[i] = append(shown[i], short(key)+"="+short(string(value)))
			return len(shown[i]) < limit
		}), d.where())
	}
	require.Equal(d.t, shown[0], shown[1], "%s: scan prefix %q from %q limit %d", d.where(), prefix, from, limit)
}
