package membership

import (
	"encoding/hex"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/node/codec"
	"kvs/node/contract"
	"kvs/node/schema"
	"kvs/node/step"
	"kvs/node/swim"
)

// page is a store that holds one address book.
type page []byte

func (p page) Get(key string) ([]byte, bool, error) { return p, key == schema.KeyMembers, nil }

func (p page) Scan(string, string, func(string, []byte) bool) error { return nil }

// The address book of every format is read, see testdata, and the newest one is written as it was.
func TestBookGolden(t *testing.T) {
	golden, err := os.ReadFile("testdata/book.hex")
	require.NoError(t, err)
	books := map[string]page{}
	for line := range strings.Lines(string(golden)) {
		format, digits, _ := strings.Cut(strings.TrimSpace(line), " ")
		books[format], err = hex.DecodeString(digits)
		require.NoError(t, err)
	}

	book, err := StoredBook(books["1"], 1000)
	require.NoError(t, err)
	require.Equal(t, []swim.Member{{ID: 2, Born: 9, State: swim.Suspect, Name: "n2", Addr: "n2:1"}}, book)

	book, err = StoredBook(books["2"], 1000)
	require.NoError(t, err)
	require.Len(t, book, 1)
	removed := book[0]
	require.NotZero(t, removed.ID)
	require.NotZero(t, removed.Born)
	removed.ID, removed.Born = 0, 0
	want := swim.Member{State: swim.Removed, GoneAt: 1_700_000_000_000, Name: "n2", Addr: "n2"}
	require.Equal(t, want, removed)

	shared := &step.Shared{
		Self: book[0].ID + 1, Addr: "n1", Boots: 1, Tuning: contract.DefaultTuning(), Rand: rand.New(rand.NewPCG(1, 2)),
	}
	m := New(shared, nil, Options{Name: "n1", Swim: swim.DefaultConfig()})
	require.NoError(t, m.Begin(book))
	require.Equal(t, []byte(books["2"]), m.bookChange().Value)
}

func FuzzBook(f *testing.F) {
	f.Add([]byte{1, 0, 0, 0}, byte(2))
	f.Fuzz(func(t *testing.T, data []byte, format byte) {
		book, ok := decodeBook(codec.Read(data), format, 1000)
		if !ok {
			return
		}
		for _, m := range book {
			require.LessOrEqual(t, m.State, swim.Removed)
			require.Equal(t, m.State.Gone(), m.GoneAt != 0)
		}
	})
}
