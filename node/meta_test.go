package node

import (
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/node/contract"
	"kvs/node/hlc"
	"kvs/node/schema"
	"kvs/node/slot"
	"kvs/node/step"
	"kvs/sim/memstore"
)

// The records that a node keeps about itself are what they were: testdata/meta-v1.hex has the key and the value of each
// in a line. They are understood, and what is cut off or has another format is refused.
func TestMetaGolden(t *testing.T) {
	born := hlc.Make(1_700_000_000_000, 7)
	n := &Node{
		opts:   Options{Cluster: "orders", Founder: true},
		Shared: step.Shared{Self: 0xfeedc0de, HLC: hlc.Resume(born - 1)},
	}
	require.NoError(t, n.newIdentity())
	n.Changes = n.Changes[:1] // the identity. Of the others a later start:
	n.Boots = 9
	n.Changes = append(n.Changes, n.BootChange(born), n.runChange(7))
	n.lost = lost{on: true, former: []slot.ID{0xabba, 0xfeedc0de}}
	n.noteLost()
	b := strings.Builder{}
	for _, c := range n.Changes {
		fmt.Fprintf(&b, "%s %x\n", c.Key, c.Value)
	}
	golden(t, "meta-v1.hex", []byte(b.String()))

	stored, err := os.ReadFile("testdata/meta-v1.hex")
	require.NoError(t, err)
	store := memstore.New()
	for line := range strings.Lines(string(stored)) {
		key, digits, _ := strings.Cut(strings.TrimSpace(line), " ")
		value, err := hex.DecodeString(digits)
		require.NoError(t, err)
		for i := range value {
			_, err := schema.Open(key, value[:i])
			require.Error(t, err, "%s, %d bytes", key, i)
		}
		newer := schema.Seal(key, append([]byte{schema.Format + 1}, value[1:len(value)-4]...))
		_, err = schema.Open(key, newer)
		require.ErrorContains(t, err, "start the newer version")
		require.NoError(t, store.Apply([]contract.Change{{Key: key, Value: value}}))
	}
	id, _, err := StoredIdentity(store)
	require.NoError(t, err)
	require.Equal(t, n.Self, id)
	run, err := StoredRun(store)
	require.NoError(t, err)
	require.EqualValues(t, 8, run)
	run, err = announcedRun(store, 10)
	require.NoError(t, err)
	require.EqualValues(t, 10, run, "an older version has started the node since, and announced that")
	back := &Node{Shared: step.Shared{Store: store}}
	require.NoError(t, back.recoverLost())
	require.Equal(t, n.lost, back.lost)
}

// A record of the last run that cannot be is not believed.
func TestAnImpossibleRunIsRefused(t *testing.T) {
	store := memstore.New()
	n := &Node{Shared: step.Shared{Boots: 3}}
	require.NoError(t, store.Apply([]contract.Change{n.runChange(4)}))
	_, err := announcedRun(store, 3)
	require.ErrorContains(t, err, "impossible content")
}
