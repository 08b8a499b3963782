package host

import (
	"bytes"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/node"
	"kvs/node/swim"
)

func TestASeedOfAnotherClusterIsRefused(t *testing.T) {
	a := testConfig(t)
	a.Cluster = "first"
	other := startHost(t, testOptions(a))

	c := testConfig(t, a.Listen)
	c.Cluster = "second"
	_, err := Start(t.Context(), testOptions(c))
	require.ErrorIs(t, err, ErrOtherCluster)
	require.ErrorContains(t, err, a.Listen)
	require.ErrorContains(t, err, `of "first", this node is configured for "second"`)
	require.ErrorContains(t, err, c.File)
	require.NoDirExists(t, c.DataDir)
	s, err := other.Status(t.Context())
	require.NoError(t, err)
	require.Len(t, s.Members, 1)
	require.Zero(t, s.Counters.OtherCluster, "nothing was said before")

	c.Cluster = "first" // corrected: the same folder will do.
	h := startHost(t, testOptions(c))
	require.NoError(t, h.poll(t.Context(), func(s *node.Status) bool {
		return s.Mode == node.ModeNormal && len(s.Members) == 2
	}))
}

// A member with data has other ways to its cluster: a stale seed is no reason to stay away.
func TestAStaleSeedIsNoReasonToStayAway(t *testing.T) {
	a := testConfig(t)
	a.Cluster = "first"
	startHost(t, testOptions(a))
	c := testConfig(t)
	stopHost(t, startHost(t, testOptions(c)))
	c.Seeds = []string{a.Listen}
	h := startHost(t, testOptions(c))
	require.Equal(t, node.ModeNormal, h.Mode())
}

// Two that live and have one name are told apart by nobody: it is said where people look.
func TestANameInUseIsSaid(t *testing.T) {
	a := testConfig(t)
	startHost(t, testOptions(a))
	c := testConfig(t, a.Listen)
	var log bytes.Buffer
	o := testOptions(c)
	o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	h, err := Start(t.Context(), o)
	require.NoError(t, err)
	stopHost(t, h)
	require.NotContains(t, log.String(), "has this node's name")

	c.Name = a.Name
	log.Reset()
	h, err = Start(t.Context(), o)
	require.NoError(t, err, "names are for people")
	stopHost(t, h)
	require.Contains(t, log.String(), "has this node's name")
	require.Contains(t, log.String(), a.Listen)
}

// copyFolder copies a stopped node's data.
func copyFolder(t *testing.T, from, to string) {
	t.Helper()
	require.NoError(t, os.CopyFS(to, os.DirFS(from)))
}

func TestACopiedDataFolderIsRefused(t *testing.T) {
	a := testConfig(t)
	b := testConfig(t, a.Listen)
	first, second := startHost(t, testOptions(a)), startHost(t, testOptions(b))
	require.NoError(t, second.poll(t.Context(), func(s *node.Status) bool { return s.Mode == node.ModeNormal }))
	stopHost(t, second)
	for name, seeds := range map[string][]string{
		"through the original": {b.Listen}, "through another member": {a.Listen}, "by its own memory": nil} {
		copied := testConfig(t, seeds...)
		copyFolder(t, b.DataDir, copied.DataDir)
		require.NoError(t, os.RemoveAll(filepath.Join(copied.DataDir, "LOCK")))
		t.Run(name, func(t *testing.T) {
			again, err := Start(t.Context(), testOptions(b))
			require.NoError(t, err)
			defer stopHost(t, again)
			// it may still believe in the one that moved.
			require.NoError(t, first.poll(t.Context(), func(s *node.Status) bool { return aliveAt(s, b.Listen) }))
			_, err = Start(t.Context(), testOptions(copied))
			require.ErrorIs(t, err, ErrIdentityInUse)
			require.ErrorContains(t, err, b.Listen)
			require.ErrorContains(t, err, copied.DataDir)
			require.False(t, knows(t, first, copied.Listen) || knows(t, again, copied.Listen),
				"nothing was said before")
		})
		// Without the original it is just a node that has moved.
		moved, err := Start(t.Context(), testOptions(copied))
		require.NoError(t, err, name)
		stopHost(t, moved)
	}
}

func aliveAt(s *node.Status, addr string) bool {
	return slices.ContainsFunc(s.Members, func(m swim.Member) bool { return m.Addr == addr && m.State == swim.Alive })
}

// knows reports whether h has heard of anybody at addr.
func knows(t *testing.T, h *Host, addr string) bool {
	s, err := h.Status(t.Context())
	require.NoError(t, err)
	return slices.ContainsFunc(s.Members, func(m swim.Member) bool { return m.Addr == addr })
}

func TestJoiningAnotherClusterIsRefused(t *testing.T) {
	a, c := testConfig(t), testConfig(t)
	a.Cluster = "first"
	startHost(t, testOptions(a))
	h := startHost(t, testOptions(c))
	resp, err := http.Post("http://"+h.Addr()+"/members/join", "application/json",
		strings.NewReader(`{"addresses":["`+a.Listen+`"]}`))
	require.NoError(t, err)
	defer resp.Body.Close()
	var b bytes.Buffer
	_, err = b.ReadFrom(resp.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusConflict, resp.StatusCode, b.String())
	require.Contains(t, b.String(), `"other_cluster"`)
	require.Contains(t, b.String(), "first")
}

// Two clusters of the default name are two clusters: each says so when it is told to join the other, and a newcomer
// with seeds in both does not choose.
func TestFoundingsOfOneNameAreRefused(t *testing.T) {
	a, c := testConfig(t), testConfig(t)
	ha, hc := startHost(t, testOptions(a)), startHost(t, testOptions(c))
	for _, h := range []*Host{ha, hc} {
		require.NoError(t, h.poll(t.Context(), func(s *node.Status) bool { return s.Config != nil }))
	}
	resp, err := http.Post("http://"+hc.Addr()+"/members/join", "application/json",
		strings.NewReader(`{"addresses":["`+a.Listen+`"]}`))
	require.NoError(t, err)
	defer resp.Body.Close()
	var b bytes.Buffer
	_, err = b.ReadFrom(resp.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusConflict, resp.StatusCode, b.String())
	require.Contains(t, b.String(), "founded apart")

	both := testConfig(t, a.Listen, c.Listen)
	_, err = Start(t.Context(), testOptions(both))
	require.ErrorIs(t, err, ErrOtherCluster)
	require.ErrorContains(t, err, "two foundings never merge")
}

// Nodes that start together do not wait for each other's answers.
func TestNodesThatStartTogetherAreReadySoon(t *testing.T) {
	var addrs []string
	configs := make([]Options, 3)
	for i := range configs {
		c := testConfig(t)
		addrs = append(addrs, c.Listen)
		configs[i] = testOptions(c)
	}
	hosts := make(chan *Host, len(configs))
	for i := range configs {
		configs[i].Config.Seeds = addrs
		go func() {
			h, err := Start(t.Context(), configs[i])
			if err != nil {
				t.Error(err)
			}
			hosts <- h
		}()
	}
	for range configs {
		h := <-hosts
		require.NotNil(t, h)
		t.Cleanup(func() { stopHost(t, h) })
		require.NoError(t, h.poll(t.Context(), func(s *node.Status) bool { return s.Mode == node.ModeNormal }))
		s, err := h.Status(t.Context())
		require.NoError(t, err)
		require.Nil(t, s.Bootstrap, "the wait for somebody who serves was not what ended it")
	}
}
