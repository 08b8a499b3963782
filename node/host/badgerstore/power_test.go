package badgerstore

import (
	"flag"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/node"
	"kvs/sim/memstore"
)

var powerSeeds = flag.Uint64("seeds", 1, "how many runs of TestPowerLoss")

const pageBytes = 4096

// powerLoss makes of a folder in use what a loss of power could leave of it. Badger's logs are mapped: of them any page
// may be as it is now, or as it was when they were last synced. All other files Badger syncs before anything depends on
// them.
func powerLoss(t *testing.T, rng *rand.Rand, dir string, synced map[string][]byte) (to string) {
	t.Helper()
	to = copyFolder(t, dir)
	logs, err := logNames(to)
	require.NoError(t, err)
	for _, name := range logs {
		now, err := os.ReadFile(filepath.Join(to, name))
		require.NoError(t, err)
		before, known := synced[name]
		if !known && rng.IntN(4) == 0 { // its name had not come so far.
			require.NoError(t, os.Remove(filepath.Join(to, name)))
			continue
		}
		keep := rng.IntN(5) // of four pages; 4: all of them.
		zero := make([]byte, pageBytes)
		f, err := os.OpenFile(filepath.Join(to, name), os.O_RDWR, 0)
		require.NoError(t, err)
		for at := 0; at < len(now); at += pageBytes {
			page, former := now[at:min(at+pageBytes, len(now))], zero
			if at < len(before) {
				former = before[at:min(at+pageBytes, len(before))]
			}
			if string(page) != string(former[:len(page)]) && rng.IntN(4) >= keep {
				_, err := f.WriteAt(former[:len(page)], int64(at))
				require.NoError(t, err)
			}
		}
		require.NoError(t, f.Close())
	}
	return to
}

// syncedLogs is what the logs hold right after a sync.
func syncedLogs(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	names, err := logNames(dir)
	require.NoError(t, err)
	for _, name := range names {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if !os.IsNotExist(err) {
			require.NoError(t, err)
			out[name] = b
		}
	}
	return out
}

func digest(t *testing.T, r node.Reader) string {
	t.Helper()
	out := ""
	require.NoError(t, r.Scan("", "", func(key string, value []byte) bool {
		out += fmt.Sprintf("%s=%d-%x\n", key, len(value), crc32.ChecksumIEEE(value))
		return true
	}))
	return out
}

// What was loaded is there after a loss of power from the beginning on up to some moment, which is not before the last
// Sync. This is what node/host/store needs, whose own tests stand on it.
func TestPowerLoss(t *testing.T) {
	for seed := range *powerSeeds {
		rng := rand.New(rand.NewPCG(seed, 0x706f776572))
		dir := t.TempDir()
		s := openT(t, dir)
		model := memstore.New()
		states := []string{""}
		synced, logs := 0, syncedLogs(t, dir)
		behind, crashes, tables := 0, 0, 0
		for len(states) < 100 {
			size := rng.IntN(2000)
			if rng.IntN(4) == 0 {
				size = 200_000 + rng.IntN(900_000) // a memtable is full now and then, and some are cut into chunks.
			}
			changes := []node.Change{
				put(fmt.Sprint("k", rng.IntN(20)), strings.Repeat(string(rune('a'+rng.IntN(26))), size)),
				put("n", fmt.Sprint(len(states))), {Key: fmt.Sprint("k", rng.IntN(20))},
			}
			require.NoError(t, s.Load(changes))
			require.NoError(t, model.Apply(changes))
			states = append(states, digest(t, model))
			if rng.IntN(6) == 0 {
				require.NoError(t, s.Sync())
				synced, logs = len(states)-1, syncedLogs(t, dir)
			}
			if rng.IntN(6) > 0 {
				continue
			}
			crashed := powerLoss(t, rng, dir, logs)
			again := openT(t, crashed)
			got := digest(t, again)
			n := len(states) - 1
			for n >= synced && states[n] != got {
				n--
			}
			require.GreaterOrEqual(t, n, synced,
				"seed %d: %d loaded, %d synced: this is none of their states:\n%s", seed, len(states)-1, synced, got)
			if n > synced {
				behind++
			}
			tables += len(again.db.Tables())
			crashes++
			require.NoError(t, again.Close())
			require.NoError(t, os.RemoveAll(crashed))
		}
		require.Greater(t, crashes, 5)
		require.Positive(t, tables, "the run is long enough to write tables")
		t.Logf("seed %d: %d losses of power, %d of them kept more than was synced", seed, crashes, behind)
		require.NoError(t, s.Close())
	}
}
