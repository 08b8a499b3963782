package integration_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// upgradeFrom is the commit to upgrade from. A clone without its history has no such commit: the test skips, or fails
// where KVS_REQUIRE_UPGRADE=1 says that it must run.
func upgradeFrom(t *testing.T) string {
	t.Helper()
	from := os.Getenv("KVS_UPGRADE_FROM")
	if from == "" {
		text, err := os.ReadFile("upgrade_from")
		require.NoError(t, err)
		for line := range strings.Lines(string(text)) {
			if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
				from = line
			}
		}
	}
	require.NotEmpty(t, from, "integration_test/upgrade_from names no commit")
	if err := exec.Command("git", "merge-base", "--is-ancestor", from, "HEAD").Run(); err != nil &&
		exec.Command("git", "cat-file", "-e", from+"^{commit}").Run() == nil {
		require.Failf(t, "the commit to upgrade from is not part of this branch's history",
			"%s exists here, but a fresh clone of this branch would not have it: name an ancestor of HEAD", from)
	}
	if out, err := exec.Command("git", "cat-file", "-e", from+"^{commit}").CombinedOutput(); err != nil {
		why := fmt.Sprintf("NO UPGRADE TEST: commit %s is not in this clone (%s); git fetch --unshallow brings it",
			from, bytes.TrimSpace(out))
		require.NotEqual(t, "1", os.Getenv("KVS_REQUIRE_UPGRADE"), why)
		t.Skip(why)
	}
	t.Logf("upgrading from %s", from)
	return from
}

// buildOld builds the program as it was at a commit.
func buildOld(t *testing.T, commit string) (program string) {
	t.Helper()
	dir := t.TempDir()
	source, archive, program := filepath.Join(dir, "source"), filepath.Join(dir, "source.tar"),
		filepath.Join(dir, "kvs")
	require.NoError(t, os.Mkdir(source, 0o700))
	for _, line := range [][]string{
		{"git", "-C", "..", "archive", "--output", archive, commit},
		{"tar", "-xf", archive, "-C", source},
	} {
		out, err := exec.Command(line[0], line[1:]...).CombinedOutput()
		require.NoError(t, err, "%s\n%s", line, out)
	}
	build(t, source, program)
	return program
}

func build(t *testing.T, source, program string) {
	t.Helper()
	cmd := exec.Command("go", "build", "-C", source, "-trimpath", "-buildvcs=false", "-o", program, "./cmd/kvs")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s\n%s", cmd, out)
}
