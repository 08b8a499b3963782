package foreign

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/linearize"
)

// porcupineDir is where the module with the published histories lies. Without it the test fails: it never skips.
func porcupineDir(t *testing.T) string {
	cmd := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/anishathalye/porcupine")
	out, err := cmd.Output()
	require.NoError(t, err, "the module with the published histories must be downloaded: run go mod download")
	dir := strings.TrimSpace(string(out))
	require.DirExists(t, filepath.Join(dir, "test_data"))
	return dir
}

// published reads the verdicts from porcupine's own tests, so that they are not ours.
func published(t *testing.T, dir, pattern string) map[string]linearize.Verdict {
	src, err := os.ReadFile(filepath.Join(dir, "porcupine_test.go"))
	require.NoError(t, err)
	verdicts := make(map[string]linearize.Verdict)
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(string(src), -1) {
		verdict := linearize.Violation
		if m[2] == "true" {
			verdict = linearize.Linearizable
		}
		if known, ok := verdicts[m[1]]; ok {
			require.Equal(t, known, verdict, m[1])
		}
		verdicts[m[1]] = verdict
	}
	return verdicts
}

// judgePublished judges every log with a published verdict and returns how many were linearizable.
func judgePublished(t *testing.T, verdicts map[string]linearize.Verdict, file func(name string) string) (good int) {
	for name, want := range verdicts {
		f, err := os.Open(file(name))
		require.NoError(t, err)
		h, err := Read(f, Options{Format: Porcupine})
		require.NoError(t, errors.Join(err, f.Close()), name)
		require.NotEmpty(t, h.Ops, name)
		res := linearize.Check(h, linearize.Options{StopEarly: true})
		require.Equal(t, want, res.Verdict, "%s: %s", name, res.Summary())
		if want == linearize.Linearizable {
			good++
		} else {
			require.NotEmpty(t, res.Keys[res.Offending].Evidence.Ops, name)
		}
	}
	return good
}

func TestPublishedEtcdHistories(t *testing.T) {
	dir := porcupineDir(t)
	verdicts := published(t, dir, `checkJepsen\(t, (\d+), (true|false)\)`)
	require.Len(t, verdicts, 102)
	good := judgePublished(t, verdicts, func(n string) string {
		number, err := strconv.Atoi(n)
		require.NoError(t, err)
		return filepath.Join(dir, "test_data", "jepsen", fmt.Sprintf("etcd_%03d.log", number))
	})
	require.Equal(t, 23, good)
}

func TestPublishedKvHistories(t *testing.T) {
	dir := porcupineDir(t)
	verdicts := published(t, dir, `checkKv\(t, "([^"]+)", (true|false), (?:true|false)\)`)
	require.Len(t, verdicts, 6)
	good := judgePublished(t, verdicts, func(n string) string {
		return filepath.Join(dir, "test_data", "kv", n+".txt")
	})
	require.Equal(t, 3, good)
}
