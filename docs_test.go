package kvs_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.*)$`)
	noWord  = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// Every link of a page to a file, or to a heading of one, leads somewhere.
func TestLinks(t *testing.T) {
	pages := 0
	for _, page := range markdown(t) {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			target, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			file := page
			if target != "" {
				file = filepath.Join(filepath.Dir(page), target)
			}
			if _, err := os.Stat(file); err != nil {
				t.Errorf("%s: the link %s leads nowhere", page, m[1])
				continue
			}
			if anchor != "" && !hasHeading(t, file, anchor) {
				t.Errorf("%s: the link %s names no heading of %s", page, m[1], file)
			}
		}
		pages++
	}
	require.Greater(t, pages, 15)
}

// The book's index names every page of it.
func TestTheBookIsWhole(t *testing.T) {
	index, err := os.ReadFile("docs/README.md")
	require.NoError(t, err)
	for _, page := range markdown(t) {
		if name, ok := strings.CutPrefix(page, "docs/"); ok && name != "README.md" {
			require.Contains(t, string(index), "]("+name+")", "docs/README.md does not name this page")
		}
	}
}

// generated pages come from the code with the fences of its help texts.
var generated = []string{"docs/reference/kvs.md", "docs/reference/kvsim.md", "docs/reference/exit-codes.md"}

// fences are the languages of blocks. TestEveryCommandBlock in cmd/kvs runs sh; what a reader only looks at is text.
var fences = []string{"sh", "text", "json", "yaml", "promql", "go", "scenario"}

var fence = regexp.MustCompile("^ *```(.*)$")

// Commands cannot hide from the test that runs them: each block is fenced and names its language.
func TestBlocksSayWhatTheyAre(t *testing.T) {
	for _, page := range markdown(t) {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		if slices.Contains(generated, page) {
			continue
		}
		for _, v := range checkBlocks(string(text)) {
			t.Errorf("%s:%s", page, v)
		}
	}
	require.Len(t, checkBlocks("a\n\n    kvs get a\n"), 1)
	require.Len(t, checkBlocks("```\nkvs get a\n```\n"), 1)
	require.Len(t, checkBlocks("```sh\nkvs get a\n"), 1)
	require.Empty(t, checkBlocks("- a\n\n  ```sh\n    kvs get a\n  ```\n"))
}

func checkBlocks(text string) (violations []string) {
	inside, before := 0, ""
	for n, line := range strings.Split(text, "\n") {
		if m := fence.FindStringSubmatch(line); m != nil {
			switch {
			case inside > 0:
				inside = 0
			case !slices.Contains(fences, m[1]):
				violations = append(violations, fmt.Sprintf("%d: a block of language %q: want one of %v", n+1, m[1],
					fences))
				inside = n + 1
			default:
				inside = n + 1
			}
		} else if inside == 0 && before == "" && strings.HasPrefix(line, "    ") && strings.TrimSpace(line) != "" {
			violations = append(violations, fmt.Sprintf("%d: an indented block: fence it with its language", n+1))
		}
		before = strings.TrimSpace(line)
	}
	if inside > 0 {
		violations = append(violations, fmt.Sprintf("%d: the block has no end", inside))
	}
	return violations
}

var sourceFile = regexp.MustCompile("`((?:[a-z_]+/)+[a-z0-9_-]+\\.(?:go|sh|yaml|scenario|mutant))`")

// A page names no file of the source that is gone. The ledger and the changelog tell history, and may.
func TestPagesNameFilesThatExist(t *testing.T) {
	named := 0
	for _, page := range markdown(t) {
		if page == "scenarios/LEDGER.md" || page == "CHANGELOG.md" {
			continue
		}
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		for _, m := range sourceFile.FindAllStringSubmatch(string(text), -1) {
			_, fromRoot := os.Stat(m[1])
			_, fromPage := os.Stat(filepath.Join(filepath.Dir(page), m[1]))
			if fromRoot != nil && fromPage != nil {
				t.Errorf("%s names %s, which does not exist", page, m[1])
			}
			named++
		}
	}
	require.Greater(t, named, 20)
}

var formatRow = regexp.MustCompile("(?m)^\\| [^|]* \\| (\\d+) \\| `([^`]+)` `([A-Za-z]+)` \\|")

// The numbers of formats on their page are those of the code.
func TestFormatsAreTrue(t *testing.T) {
	text, err := os.ReadFile("docs/reference/formats.md")
	require.NoError(t, err)
	rows := formatRow.FindAllStringSubmatch(string(text), -1)
	require.Greater(t, len(rows), 12)
	for _, m := range rows {
		source, err := os.ReadFile(m[2])
		require.NoError(t, err)
		value := regexp.MustCompile(`(?m)^(?:const)?\s*` + m[3] + `\s*= (\d+)\b`).FindSubmatch(source)
		require.NotNil(t, value, "%s has no constant %s", m[2], m[3])
		require.Equal(t, string(value[1]), m[1], "docs/reference/formats.md: %s in %s", m[3], m[2])
	}
}

func markdown(t *testing.T) (pages []string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(".", func(path string, d os.DirEntry, err error) error {
		if err == nil && d.IsDir() &&
			(d.Name() == "out" || d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".") && path != ".") {
			return filepath.SkipDir
		}
		if err == nil && strings.HasSuffix(path, ".md") {
			pages = append(pages, filepath.ToSlash(path))
		}
		return err
	}))
	return pages
}

// hasHeading makes anchors of headings as the usual hosting sites do.
func hasHeading(t *testing.T, file, anchor string) bool {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	for _, m := range heading.FindAllStringSubmatch(string(text), -1) {
		if strings.ReplaceAll(strings.ToLower(noWord.ReplaceAllString(m[1], "")), " ", "-") == anchor {
			return true
		}
	}
	return false
}
