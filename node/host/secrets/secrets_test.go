package secrets

import (
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/node/host/certs"
	"kvs/node/host/seal"
)

// Nodes that are made one by one trust each other, and nobody else can read what proves them.
func TestNodesOfAFolder(t *testing.T) {
	f := &Folder{Dir: t.TempDir(), Cluster: "c"}
	require.NoError(t, f.MakeNode("n1", []string{"a.example"}))
	require.NoError(t, f.MakeNode("n2", []string{"b.example"}))
	hash, err := f.AdminToken()
	require.NoError(t, err)
	again, err := f.AdminToken()
	require.NoError(t, err)
	require.Equal(t, hash, again)
	var rings [][]seal.KeyID
	for _, n := range []string{"n1", "n2"} {
		_, err := certs.Load(certs.Options{
			Cert: f.Path("certs", n+".crt"), Key: f.Path("certs", n+".key"), CA: f.Path("certs", "ca.crt"),
			Cluster: "c", Name: n, Logger: slog.New(slog.DiscardHandler),
		})
		require.NoError(t, err)
		keys, err := seal.OpenKeyring(f.Path("certs", n+".keyring"))
		require.NoError(t, err)
		rings = append(rings, keys.IDs())
	}
	require.Equal(t, rings[0], rings[1])
	files := 0
	require.NoError(t, filepath.WalkDir(f.Dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		files++
		info, err := os.Stat(path)
		require.EqualValues(t, 0o600, info.Mode().Perm(), path)
		return err
	}))
	require.Len(t, f.Written, files)
	require.NoError(t, os.Remove(f.Path("authority", "ca.key")))
	require.ErrorContains(t, f.MakeNode("n3", nil), "issued where the authority's key is")
}
