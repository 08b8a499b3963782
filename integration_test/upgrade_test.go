package integration_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/chaos/docker"
	"kvs/node"
)

// previousRelease is the newest tag before this commit, or what KVS_UPGRADE_FROM names; empty: there is none.
func previousRelease(t *testing.T) string {
	if from := os.Getenv("KVS_UPGRADE_FROM"); from != "" {
		return from
	}
	for _, commit := range []string{"HEAD^", "HEAD"} { // a commit with a tag is upgraded from the tag before.
		out, err := exec.Command("git", "describe", "--tags", "--abbrev=0", "--match", "v*", commit).Output()
		if err == nil {
			return strings.TrimSpace(string(out))
		}
	}
	return ""
}

// buildRelease makes an image of the program as it was.
func buildRelease(t *testing.T, tag string) (image string) {
	t.Helper()
	dir := t.TempDir()
	source, context, binary := filepath.Join(dir, "source"), filepath.Join(dir, "context"), filepath.Join(dir, "kvs")
	for _, d := range []string{source, context} {
		require.NoError(t, os.Mkdir(d, 0o700))
	}
	archive := filepath.Join(dir, "source.tar")
	for _, line := range [][]string{
		{"git", "-C", "..", "archive", "--output", archive, tag},
		{"tar", "-xf", archive, "-C", source},
		{"go", "build", "-C", source, "-trimpath", "-buildvcs=false", "-o", binary, "./cmd/kvs"},
	} {
		cmd := exec.Command(line[0], line[1:]...)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s\n%s", cmd, out)
	}
	image = fmt.Sprintf("kvs-chaos-previous:%d", os.Getpid())
	require.NoError(t, docker.BuildImage(image, binary, filepath.Join(source, "Dockerfile"), context))
	t.Cleanup(func() { require.NoError(t, docker.RemoveImage(image)) })
	return image
}

// A cluster of the last release becomes one of this program, on the data that it has, and keeps everything. All nodes go at
// once: members of different releases need not understand each other yet.
func TestUpgrade(t *testing.T) {
	tag := previousRelease(t)
	if tag == "" {
		t.Skip("NO RELEASE TO UPGRADE FROM: there is no tag v*; name a commit in KVS_UPGRADE_FROM to try one")
	}
	if missing != nil {
		t.Skipf("NO DOCKER: %v", missing)
	}
	t.Logf("upgrading from %s", tag)
	c := newClusterWith(t, docker.Options{Nodes: 3, Image: buildRelease(t, tag)})
	for i := range 100 {
		c.put(i%3+1, fmt.Sprintf("kept/%02d", i), "before")
	}
	c.put(1, "kept/gone", "before")
	c.awaitValue(2, "kept/gone", "before")
	_, err := c.door(2).Delete(t.Context(), "kept/gone", node.Eventual)
	require.NoError(t, err)
	l := c.startLoad()
	c.awaitProgress(l)
	for i := range 3 {
		require.NoError(t, c.Upgrade(i+1, image))
	}
	for i := range 3 {
		c.awaitAlive(i+1, 3)
	}
	c.awaitProgress(l)
	c.requireConverged(l)
	for i := range 3 {
		require.Len(t, c.listing(i+1, "kept/"), 100)
		require.Equal(t, "before", c.get(i+1, "kept/99"))
	}
}
