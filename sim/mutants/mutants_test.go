package mutants

import (
	"errors"
	"go/ast"
	goparser "go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/scenarios"
	"kvs/sim/kvs/explored"
	"kvs/sim/mutants/list"
)

// A mutant whose edit no longer fits the code would be hunted in vain.
func TestEveryEditApplies(t *testing.T) {
	all, err := Load(list.Files)
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(all), 38)
	for i := range all {
		changed, err := all[i].Apply(func(name string) (string, error) {
			b, err := os.ReadFile(filepath.Join("..", "..", filepath.FromSlash(name)))
			return string(b), err
		})
		require.NoError(t, err)
		require.NotEmpty(t, changed)
		for _, f := range changed {
			require.Empty(t, wrongIn(f.Text), "%s in %s", all[i].Name, f.Name)
		}
		for _, name := range all[i].Hunt {
			_, err := scenarios.Load(name)
			require.NoError(t, err, all[i].Name)
		}
		if all[i].Explore != "" {
			_, err := explored.Space().Find(all[i].Explore)
			require.NoError(t, err, all[i].Name)
		}
	}
}

// wrongIn says why an edited file does not compile, as far as the file alone shows: it cannot be parsed, or an edit has
// taken out the last use of an import.
func wrongIn(text string) string {
	f, err := goparser.ParseFile(token.NewFileSet(), "", text, 0)
	if err != nil {
		return err.Error()
	}
	used := map[string]bool{}
	ast.Inspect(f, func(n ast.Node) bool {
		if sel, is := n.(*ast.SelectorExpr); is {
			if of, is := sel.X.(*ast.Ident); is {
				used[of.Name] = true
			}
		}
		return true
	})
	for _, spec := range f.Imports {
		name := path.Base(strings.TrimSuffix(strings.Trim(spec.Path.Value, `"`), "/v2"))
		if spec.Name != nil {
			name = spec.Name.Name
		}
		if !used[name] && name != "_" {
			return name + " is imported and not used"
		}
	}
	return ""
}

// The alarm rings: first-name-only did not compile for a day, and a hunt for it found nothing.
func TestWrongIn(t *testing.T) {
	require.Empty(t, wrongIn("package p\nimport \"math/rand/v2\"\nvar x = rand.IntN(3)\n"))
	require.Empty(t, wrongIn("package p\nimport m \"slices\"\nvar x = m.Max([]int{3})\n"))
	require.Contains(t, wrongIn("package p\nimport \"slices\"\nvar x = 3\n"), "slices is imported and not used")
	require.NotEmpty(t, wrongIn("package p\nvar x = (\n"))
}

const good = `# a comment
mutant   small-bug
about    it is wrong
source   a paper
hunt     quiet
hunt     swarm
explore  two-creates

file     a.go
--- old
	x := 1
--- new
	x := 2
--- end
file     a.go
--- old
	y := 1
--- new
--- end
`

func TestParseAndApply(t *testing.T) {
	m, err := Parse(good)
	require.NoError(t, err)
	require.Equal(t, Mutant{Name: "small-bug", About: "it is wrong", Source: "a paper",
		Hunt: []string{"quiet", "swarm"}, Explore: "two-creates", Edits: []Edit{
			{"a.go", "\tx := 1\n", "\tx := 2\n"}, {"a.go", "\ty := 1\n", ""},
		}}, m)

	text := "func f() {\n\tx := 1\n\ty := 1\n}\n"
	read := func(string) (string, error) { return text, nil }
	files, err := m.Apply(read)
	require.NoError(t, err)
	require.Equal(t, []File{{"a.go", "func f() {\n\tx := 2\n}\n"}}, files)

	text = "\tx := 1\n\tx := 1\n\ty := 1\n"
	_, err = m.Apply(read)
	require.ErrorContains(t, err, "2 times in a.go")
	text = "\t\tx := 1\n\ty := 1\n"
	_, err = m.Apply(read)
	require.ErrorContains(t, err, "0 times in a.go", "only whole lines count")
	_, err = m.Apply(func(string) (string, error) { return "", errors.New("planted") })
	require.ErrorContains(t, err, "planted")
}

func TestParseRefuses(t *testing.T) {
	for text, says := range map[string]string{
		"":                                     "use lower-case letters",
		"mutant A\n":                           "use lower-case letters",
		"mutant a\n":                           "at least one edit",
		"mutant a\nmutant b\n":                 "line 2: mutant is given twice",
		"colour red\n":                         "unknown field",
		"explore a\nexplore b\n":               "line 2: explore is given twice",
		"file ../a.go\n":                       "name a Go file",
		"file a_test.go\n":                     "name a Go file",
		"file a.go\nx := 1\n":                  `"--- old" is wanted`,
		"file a.go\n--- old\nx\n":              `"--- new" is missing`,
		"file a.go\n--- old\nx\n--- new\n":     `"--- end" is missing`,
		"file a.go\n--- old\n--- new\n--- end": "must not be empty",
		"file a.go\n--- old\nx\n--- new\n--- old\ny\n--- new\n--- end\n": `"--- end" is missing before "--- old"`,
		"file a.go\n--- old\nx\n--- new\nx\n--- end":                     "must differ",
	} {
		_, err := Parse(text)
		require.ErrorContains(t, err, says, text)
	}
}
