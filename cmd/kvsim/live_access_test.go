package main

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	processes "kvs/chaos/process"
	"kvs/node/api"
	"kvs/node/client"
	"kvs/sim/simcmd"
)

const secureScenario = `workload keys=5 get=40 put=50 delete=10 list=5 think=1ms..10ms level=quorum timeout=1s
expect   converged, no-lost-write, quorum-recency
`

// Nodes that live starts prove themselves to each other, and clients to them, through the relays as well.
func TestLiveOnSecureProcesses(t *testing.T) {
	out := t.TempDir()
	code, stdout, stderr := kvsim("live", "--secure", "--kvs", buildKVS(t), "--out", out, "--scenario",
		briefScenario(t, secureScenario+"plan\n  at 300ms crash n1\n  at 400ms loss 10%\n  at 700ms restart n1\n"))
	require.Equal(t, simcmd.ExitOK, code, "%s%s", stdout, stderr)
	require.Contains(t, stdout, "verdict=ok")
	left, err := os.ReadDir(out)
	require.NoError(t, err)
	require.Empty(t, left, "nothing of the authority is left")
}

// A secure cluster that runs already is asked with a token that may work in kvsim-live/ alone, by flags or by a
// profile.
func TestLiveOnARunningSecureCluster(t *testing.T) {
	program, dir := buildKVS(t), t.TempDir()
	c, err := processes.Start(processes.Options{
		Program: program, Dir: dir, Nodes: 3, Secure: secureProcess(dir),
		Rand: rand.New(rand.NewPCG(1, uint64(os.Getpid()))),
	})
	require.NoError(t, err)
	defer c.Close()
	in, err := administrator(secretsOf(dir, ""))
	require.NoError(t, err)
	o := client.DefaultOptions(c.Endpoints()...)
	o.TLS, o.Token, o.AttemptsMax = in.tls, in.token, 1
	admin, err := client.New(o)
	require.NoError(t, err)
	defer admin.Close()
	wanted := api.WantedToken{Name: "kvsim", Rules: []api.TokenRule{
		{Prefix: "kvsim-live/", Allow: []string{"read", "write", "list"}},
	}}
	var made api.NewToken
	require.Eventually(t, func() bool { // as soon as the cluster is founded.
		made, err = admin.CreateToken(t.Context(), wanted)
		return err == nil
	}, time.Minute, 20*time.Millisecond)
	home := t.TempDir()
	tokenFile := filepath.Join(home, "token")
	require.NoError(t, os.WriteFile(tokenFile, []byte(made.Token), 0o600))
	authority := secretsOf(dir, "").Path("certs", "ca.crt")
	endpoints := strings.Join(c.Endpoints(), ",")
	profiles := "clusters:\n  real: {endpoints: [" + endpoints + "], ca: \"" + authority + "\", token_file: token}\n"
	require.NoError(t, os.WriteFile(filepath.Join(home, "config.yaml"), []byte(profiles), 0o600))
	t.Setenv("KVS_HOME", home)
	for _, access := range [][]string{
		{"--target", endpoints, "--ca", authority, "--token-file", tokenFile},
		{"--profile", "real"},
	} {
		code, stdout, stderr := kvsim(append([]string{"live", "--out", t.TempDir(), "--scenario",
			briefScenario(t, secureScenario)}, access...)...)
		require.Equal(t, simcmd.ExitOK, code, "%s%s", stdout, stderr)
		require.Contains(t, stdout, "verdict=ok")
		require.Contains(t, stderr, "deleted what was written below kvsim-live/")
	}
	empty := filepath.Join(home, "empty")
	require.NoError(t, os.WriteFile(empty, nil, 0o600))
	for says, args := range map[string][]string{
		"--secure makes":          {"--ca", authority},
		"--secure is for nodes":   {"--secure", "--target", endpoints},
		`no cluster "none"`:       {"--profile", "none"},
		"does not hold one token": {"--target", endpoints, "--ca", authority, "--token-file", empty},
		"an authority":            {"--target", endpoints, "--ca", tokenFile},
	} {
		code, _, stderr := kvsim(append([]string{"live", "--scenario", briefScenario(t, secureScenario)}, args...)...)
		require.NotEqual(t, simcmd.ExitOK, code)
		require.Contains(t, stderr, says)
	}
}
