// Package certstest makes certificates for tests: an authority, and the files of its members. Begin with New.
package certstest

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node/host/certs"
)

// Authority is one with its certificate in a file.
type Authority struct {
	*certs.Authority
	t       testing.TB
	Cluster string
	CA      string // path of its certificate.
	dir     string
}

// New makes the authority of a cluster in a folder of its own.
func New(t testing.TB, cluster string) *Authority {
	t.Helper()
	a, err := certs.NewAuthority(cluster, 24*time.Hour)
	require.NoError(t, err)
	p, err := a.PEM()
	require.NoError(t, err)
	out := &Authority{Authority: a, t: t, Cluster: cluster, dir: t.TempDir()}
	out.CA = out.write("ca.crt", p.Cert)
	return out
}

// Files are where a certificate and its key are.
type Files struct{ Cert, Key string }

// Member makes the certificate of a member that is reached on this machine.
func (a *Authority) Member(name string) Files {
	return a.Issue(certs.Identity{Cluster: a.Cluster, Role: certs.Member, Name: name}, time.Hour)
}

// Issue makes any certificate.
func (a *Authority) Issue(id certs.Identity, valid time.Duration) Files {
	a.t.Helper()
	p, err := a.Authority.Issue(id, []string{"127.0.0.1", "::1", "localhost"}, valid)
	require.NoError(a.t, err)
	dir := filepath.Join(a.dir, id.Cluster+"-"+string(id.Role)+"-"+id.Name)
	require.NoError(a.t, os.MkdirAll(dir, 0o700))
	return Files{Cert: a.write(filepath.Join(filepath.Base(dir), "crt"), p.Cert),
		Key: a.write(filepath.Join(filepath.Base(dir), "key"), p.Key)}
}

func (a *Authority) write(name string, content []byte) string {
	a.t.Helper()
	path := filepath.Join(a.dir, name)
	require.NoError(a.t, os.WriteFile(path, content, 0o600))
	return path
}
