package simcmd

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Two machines live a soak between them, and merge tells of both; without one of them it refuses.
func TestSoakMerge(t *testing.T) {
	path, dir := failing(t), t.TempDir()
	live := func(part string, seeds string) error {
		o := soakOptions{
			Experiment: Experiment{Scenario: path, Duration: time.Second, Out: filepath.Join(dir, part[:1]),
				tools: tools(t)},
			seeds: seeds, jobs: 1, seedTimeout: time.Minute, brokenMax: 100, shard: part,
		}
		o.newWorker = func() (worker, error) {
			return startWorker(os.Args[0], []string{"worker", "--scenario", path, "--duration", "1s", "--out", o.Out},
				[]string{modeEnv + "=kvsim"}, time.Minute)
		}
		return o.run(IO{Out: new(bytes.Buffer), Err: new(bytes.Buffer)})
	}
	merge := func(folders ...string) (string, error) {
		var out bytes.Buffer
		err := mergeSoaks(IO{Out: &out}, folders)
		return out.String(), err
	}
	require.ErrorIs(t, live("1/2", "5..9"), ErrBroken)
	_, err := merge(dir)
	require.ErrorContains(t, err, "1 of 2 shards")

	require.ErrorIs(t, live("2/2", "5..9"), ErrBroken)
	require.FileExists(t, filepath.Join(dir, "2", "hasty-2-of-2.soak.json"))
	out, err := merge(filepath.Join(dir, "2"), filepath.Join(dir, "1"))
	require.ErrorIs(t, err, ErrBroken)
	require.Contains(t, out, "seeds=5..9 ")
	require.Contains(t, out, "verdict=broken lived=5 broken=5 ")
	for _, seed := range []string{"seed=5 ", "seed=6 ", "seed=7 ", "seed=8 ", "seed=9 "} {
		require.Contains(t, out, seed)
	}

	_, err = merge(dir, filepath.Join(dir, "1"))
	require.ErrorContains(t, err, "both have the seed 5")
	_, err = merge(t.TempDir())
	require.ErrorContains(t, err, "holds no *.soak.json")

	require.ErrorIs(t, live("2/2", "5..11"), ErrBroken)
	_, err = merge(dir)
	require.ErrorContains(t, err, "the seeds from 8 to 8 are missing")
}
