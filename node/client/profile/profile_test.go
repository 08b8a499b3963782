package profile_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/node/client/profile"
)

func write(t *testing.T, path, text string) string {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func TestAProfileIsFoundByNameOrIsTheCurrentOne(t *testing.T) {
	dir := t.TempDir()
	f, err := profile.Read(write(t, filepath.Join(dir, "config.yaml"), `
current: prod
clusters:
  prod: {endpoints: [a:7001, b:7001], ca: prod/ca.crt, token_file: /etc/kvs/token}
  test: {cert: me.crt, key: me.key}
`))
	require.NoError(t, err)
	want := profile.Profile{Endpoints: []string{"a:7001", "b:7001"}, CA: filepath.Join(dir, "prod/ca.crt"),
		TokenFile: "/etc/kvs/token"}
	p, ok, err := f.Find("")
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, want, p)
	p, ok, err = f.Find("test")
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, filepath.Join(dir, "me.key"), p.Key)
	_, _, err = f.Find("tset")
	require.ErrorContains(t, err, "there are: prod, test")

	_, err = profile.Read(write(t, filepath.Join(dir, "bad.yaml"), "clusters: {x: {token: secret}}"))
	require.ErrorContains(t, err, "token_file")
	f, err = profile.Read(write(t, filepath.Join(dir, "empty.yaml"), ""))
	require.NoError(t, err)
	_, ok, err = f.Find("")
	require.NoError(t, err)
	require.False(t, ok)
}

func TestCredentialsAreReadOrRefused(t *testing.T) {
	dir := t.TempDir()
	token := write(t, filepath.Join(dir, "token"), "abc.def\n")
	p := profile.Profile{TokenFile: token}
	c, secret, err := p.Credentials()
	require.NoError(t, err)
	require.Nil(t, c)
	require.Equal(t, "abc.def", secret)

	require.NoError(t, os.Chmod(token, 0o640))
	_, _, err = p.Credentials()
	require.ErrorContains(t, err, "chmod 600")
	for want, p := range map[string]profile.Profile{
		"belong together":     {Cert: "x"},
		"no such file":        {CA: filepath.Join(dir, "nowhere")},
		"holds no certi":      {CA: write(t, filepath.Join(dir, "ca"), "x")},
		"does not hold one":   {TokenFile: write(t, filepath.Join(dir, "two"), "a b")},
		"certificate nowhere": {Cert: "nowhere", Key: "nowhere"},
	} {
		_, _, err := p.Credentials()
		require.ErrorContains(t, err, want)
	}
}
