package seal

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func newKey(t testing.TB) Key {
	t.Helper()
	k, err := NewKey()
	require.NoError(t, err)
	return k
}

// newRing is a keyring in a file of its own.
func newRing(t testing.TB, keys ...Key) *Keyring {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keyring")
	require.NoError(t, os.WriteFile(path, Document(keys...), 0o600))
	k, err := OpenKeyring(path)
	require.NoError(t, err)
	return k
}

func newSealer(t testing.TB, cluster string, keys ...Key) *Sealer {
	t.Helper()
	s, err := NewSealer(newRing(t, keys...), cluster)
	require.NoError(t, err)
	return s
}

func seals(t testing.TB, s *Sealer, text string) []byte {
	t.Helper()
	b, err := s.Seal([]byte(text))
	require.NoError(t, err)
	return b
}

func TestMembersOpenWhatMembersSeal(t *testing.T) {
	k1, k2 := newKey(t), newKey(t)
	a, b := newSealer(t, "c", k1), newSealer(t, "c", k2, k1)
	for _, text := range []string{"", "x", string(make([]byte, 1400))} {
		sealed := seals(t, a, text)
		require.Len(t, sealed, len(text)+Overhead)
		require.True(t, IsSealed(sealed))
		inside, err := b.Open(sealed)
		require.NoError(t, err)
		require.Equal(t, text, string(inside))
	}
	_, err := a.Open(seals(t, b, "x"))
	require.ErrorIs(t, err, ErrRefused, "it does not have the key that b seals with")
	require.NotEqual(t, seals(t, a, "same"), seals(t, a, "same"))
	_, err = newSealer(t, "d", k1).Open(seals(t, a, "x"))
	require.ErrorIs(t, err, ErrRefused, "another cluster")
}

// Every bit counts.
func TestAChangedDatagramIsRefused(t *testing.T) {
	a, b := newSealer(t, "c", newKey(t)), (*Sealer)(nil)
	b = newSealer(t, "c", a.keys.primary())
	sealed := seals(t, a, "ping")
	for bit := range len(sealed) * 8 {
		forged := bytes.Clone(sealed)
		forged[bit/8] ^= 1 << (bit % 8)
		_, err := b.Open(forged)
		require.ErrorIs(t, err, ErrRefused, "bit %d", bit)
	}
	for n := range len(sealed) {
		_, err := b.Open(sealed[:n])
		require.ErrorIs(t, err, ErrRefused)
	}
	require.Empty(t, b.ciphers, "strangers leave nothing in memory")
	_, err := b.Open(sealed)
	require.NoError(t, err)
	require.Len(t, b.ciphers, 1)
}

func TestAKeyIsReplacedWithoutADatagramLost(t *testing.T) {
	k1, k2 := newKey(t), newKey(t)
	a, b := newSealer(t, "c", k1), newSealer(t, "c", k1)
	talk := func() {
		t.Helper()
		for _, pair := range [][2]*Sealer{{a, b}, {b, a}} {
			_, err := pair[1].Open(seals(t, pair[0], "x"))
			require.NoError(t, err)
		}
	}
	old := seals(t, a, "old")
	for _, step := range []func(*Keyring) error{
		func(k *Keyring) error { return k.Install(k2) },
		func(k *Keyring) error { return k.Install(k2) },
		func(k *Keyring) error { return k.Use(k2.ID()) },
		func(k *Keyring) error { return k.Remove(k1.ID()) },
		func(k *Keyring) error { return k.Remove(k1.ID()) },
	} {
		require.NoError(t, step(a.keys))
		talk()
		require.NoError(t, step(b.keys))
		talk()
	}
	_, err := b.Open(old)
	require.ErrorIs(t, err, ErrRefused, "a key that was removed opens nothing")
	require.ErrorIs(t, a.keys.Remove(k2.ID()), ErrPrimary)
	require.ErrorIs(t, a.keys.Use(k1.ID()), ErrNoKey)
	again, err := OpenKeyring(a.keys.path)
	require.NoError(t, err)
	require.Equal(t, []KeyID{k2.ID()}, again.IDs())
	info, err := os.Stat(a.keys.path)
	require.NoError(t, err)
	require.EqualValues(t, 0o600, info.Mode().Perm())
	for range keysMax - 1 {
		require.NoError(t, a.keys.Install(newKey(t)))
	}
	require.ErrorIs(t, a.keys.Install(newKey(t)), ErrTooMany)
}

func TestAKeyringThatMakesNoSenseIsRefused(t *testing.T) {
	k := newKey(t)
	path := filepath.Join(t.TempDir(), "keyring")
	for want, text := range map[string]string{
		"version 2": `{"version":2,"primary":"","keys":["` + k.Text() + `"]}`,
		"0 keys":    `{"version":1,"primary":"","keys":[]}`,
		"twice":     `{"version":1,"primary":"` + k.ID().String() + `","keys":["` + k.Text() + `","` + k.Text() + `"]}`,
		"none of":   `{"version":1,"primary":"00000000","keys":["` + k.Text() + `"]}`,
		"32 bytes":  `{"version":1,"primary":"00000000","keys":["eA=="]}`,
		"EOF":       ``,
	} {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		_, err := OpenKeyring(path)
		require.ErrorContains(t, err, want)
	}
	require.NotContains(t, fmt.Sprintf("%v %+v %#v %s", k, k, k, k), k.Text())
}

func TestReplays(t *testing.T) {
	var r Replays
	fresh := func(want bool, sender, stamp uint64, at time.Duration) {
		t.Helper()
		require.Equal(t, want, r.Fresh(sender, stamp, at), "%d %d", sender, stamp)
	}
	fresh(true, 1, 100, 0)
	fresh(false, 1, 100, 0)
	fresh(true, 2, 100, 0)
	fresh(true, 1, 99, 0) // overtaken.
	fresh(false, 1, 99, 0)
	fresh(true, 1, 100+windowStamps, 0)
	fresh(false, 1, 100, 0)
	fresh(false, 1, 99, 0)
	fresh(true, 1, 101, 0)
	fresh(false, 1, 101, 0)
	fresh(true, 1, 1<<44, 0) // another start.
	fresh(false, 1, 100+windowStamps, time.Second)
	fresh(false, 1, 1<<44, silence)
	fresh(true, 1, 5, silence+1) // its disk was restored.
}

// A second implementation: a set of all that came.
func TestReplaysAgainstASet(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var r Replays
	came := map[uint64]bool{}
	newest := uint64(0)
	for range 50_000 {
		stamp := newest + rng.Uint64N(40)
		if back := rng.Uint64N(2 * windowStamps); rng.IntN(3) > 0 && back < stamp {
			stamp -= back
		}
		want := !came[stamp] && (stamp > newest || newest-stamp < windowStamps || len(came) == 0)
		require.Equal(t, want, r.Fresh(7, stamp, 0), "%d of %d", stamp, newest)
		came[stamp] = true
		newest = max(newest, stamp)
	}
}

func FuzzOpen(f *testing.F) {
	s := newSealer(f, "c", newKey(f))
	f.Add(seals(f, s, "x"))
	f.Add([]byte{magic, format})
	f.Fuzz(func(t *testing.T, data []byte) {
		inside, err := s.Open(data)
		if err == nil && string(inside) != "x" {
			t.Fatalf("opened %x, which nobody sealed", data)
		}
	})
}

func BenchmarkSealAndOpen(b *testing.B) {
	s := newSealer(b, "c", newKey(b))
	data := make([]byte, 200)
	for b.Loop() {
		sealed, err := s.Seal(data)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := s.Open(sealed); err != nil {
			b.Fatal(err)
		}
	}
}
