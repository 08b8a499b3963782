package version

import (
	"os"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

// The newest section of the changelog that has a date is about this version.
func TestNumberIsThatOfTheChangelog(t *testing.T) {
	text, err := os.ReadFile("../../CHANGELOG.md")
	require.NoError(t, err)
	m := regexp.MustCompile(`(?m)^## (\d+\.\d+\.\d+) - \d{4}-\d{2}-\d{2}$`).FindSubmatch(text)
	require.NotNil(t, m, "CHANGELOG.md has no section such as: ## 0.1.0 - 2026-12-31")
	require.Equal(t, Number, string(m[1]))
}

func TestBuild(t *testing.T) {
	recorded := Build{Version: "1.2.3", Commit: "0123456789abcdef", Time: "2026-11-29T00:00:00Z", Go: "go1",
		Platform: "a/b"}
	require.Equal(t, "1.2.3+0123456789ab", recorded.String())
	require.Equal(t, "kvs 1.2.3+0123456789ab (go1, a/b)\n", recorded.Line("kvs"))

	same := recorded.linked("0123456789ab")
	require.Equal(t, recorded.Time, same.Time)
	require.False(t, same.Modified)

	other := recorded.linked("ffff-dirty")
	require.Equal(t, "1.2.3+ffff.modified", other.String())
	require.Empty(t, other.Time, "the time is that of another commit")

	require.Equal(t, recorded, recorded.linked(""))
	require.Equal(t, "1.2.3+unknown", Build{Version: "1.2.3"}.String())
}

func TestRead(t *testing.T) {
	b := Read()
	require.Equal(t, Number, b.Version)
	require.NotEmpty(t, b.Go)
	require.NotEmpty(t, b.Platform)
}
