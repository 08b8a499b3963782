package kvs_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// Sizes: what a reader holds in the head at once. Each limit has a table of what is above it today. Entries only go
// down: more than an entry says fails, and so does so much less that the entry is out of date. Nothing is added to a
// table.
const (
	packageFilesMax = 25 // production files.
	packageLinesMax = 3500
	fileLinesMax    = 400
	functionMax     = 70 // lines of a body: a screen.
	columnsMax      = 120
	tabColumns      = 4
)

// tooLarge are the packages above the limits.
var tooLarge = map[string]size{
	"cmd/kvs":        {files: 40, lines: 5400},
	"linearize":      {files: 31, lines: 4500},
	"node/host/rest": {files: 28, lines: 4000},
}

// size of a package.
type size struct{ files, lines int }

// tooLong are files with more lines than fileLinesMax, by path: how many they may have.
var tooLong = map[string]int{
	"node/client/client_test.go": 430,
}

// longFunctions are how many functions of a folder, those below it included, have bodies above functionMax.
var longFunctions = map[string]int{}

// wideLines are how many lines of a folder, those below it included, are wider than columnsMax.
var wideLines = map[string]int{}

// slack is by how much an entry may be above what there is.
func slack(entry int) int { return max(entry/8, 2) }

func TestSizes(t *testing.T) {
	sources := map[string]string{}
	for _, tests := range []bool{false, true} {
		for _, name := range goFiles(t, ".", tests) {
			text, err := os.ReadFile(name)
			require.NoError(t, err)
			sources[filepath.ToSlash(name)] = string(text)
		}
	}
	for _, v := range checkSizes(sources, limits{tooLarge, tooLong, longFunctions, wideLines}) {
		t.Error(v)
	}
}

// limits are the tables.
type limits struct {
	packages         map[string]size
	files            map[string]int
	functions, lines map[string]int
}

// checkSizes returns what is larger than its limit and than its entry, and which entries are out of date.
func checkSizes(sources map[string]string, l limits) (violations []string) {
	packages, files, functions, lines := map[string]size{}, map[string]int{}, map[string]int{}, map[string]int{}
	for name, text := range sources {
		count := strings.Count(text, "\n")
		if count > fileLinesMax {
			files[name] = count
		}
		if !strings.HasSuffix(name, "_test.go") {
			dir := filepath.ToSlash(filepath.Dir(name))
			packages[dir] = size{packages[dir].files + 1, packages[dir].lines + count}
		}
		top, _, _ := strings.Cut(name, "/")
		if !strings.Contains(name, "/") {
			top = "."
		}
		if n := countWide(text); n > 0 {
			lines[top] += n
		}
		if n := countLong(name, text); n > 0 {
			functions[top] += n
		}
	}
	counts, linesOf := map[string]int{}, map[string]int{}
	countsMax, linesMax := map[string]int{}, map[string]int{}
	for dir, s := range packages {
		if s.files > packageFilesMax {
			counts[dir] = s.files
		}
		if s.lines > packageLinesMax {
			linesOf[dir] = s.lines
		}
	}
	for dir, s := range l.packages {
		countsMax[dir], linesMax[dir] = s.files, s.lines
		if s.files <= packageFilesMax {
			delete(countsMax, dir)
		}
		if s.lines <= packageLinesMax {
			delete(linesMax, dir)
		}
	}
	violations = append(violations, compare("files of a package", "tooLarge", packageFilesMax, counts, countsMax)...)
	violations = append(violations, compare("lines of a package", "tooLarge", packageLinesMax, linesOf, linesMax)...)
	violations = append(violations, compare("lines of a file", "tooLong", fileLinesMax, files, l.files)...)
	violations = append(violations, compare("functions with bodies that are too long", "longFunctions", 0, functions,
		l.functions)...)
	return append(violations, compare("lines that are too wide", "wideLines", 0, lines, l.lines)...)
}

// compare holds counts against a table.
func compare(what, table string, limit int, got, entries map[string]int) (violations []string) {
	for name, n := range got {
		if n > max(entries[name], limit) {
			violations = append(violations, fmt.Sprintf("%s: %d %s, at most %d: make it smaller", name, n, what,
				max(entries[name], limit)))
		}
	}
	for name, entry := range entries {
		if n := max(got[name], limit); n < entry-slack(entry) || got[name] == 0 {
			violations = append(violations, fmt.Sprintf("%s: %d %s: lower the entry in %s, which says %d", name,
				got[name], what, table, entry))
		}
	}
	slices.Sort(violations)
	return violations
}

func countWide(text string) (n int) {
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if utf8.RuneCountInString(line)+(tabColumns-1)*strings.Count(line, "\t") > columnsMax {
			n++
		}
	}
	return n
}

// countLong counts functions with long bodies. Tables of test cases are no functions of their own: tests are left out.
func countLong(name, text string) (n int) {
	if strings.HasSuffix(name, "_test.go") {
		return 0
	}
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, name, text, parser.SkipObjectResolution)
	if err != nil {
		return 0 // the compiler says it better.
	}
	for _, d := range f.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && fn.Body != nil &&
			fset.Position(fn.Body.Rbrace).Line-fset.Position(fn.Body.Lbrace).Line-1 > functionMax {
			n++
		}
	}
	return n
}

// The alarm rings: each limit finds what was planted for it, and an entry that is out of date.
func TestPlantedSizes(t *testing.T) {
	many := map[string]string{}
	for i := range packageFilesMax + 1 {
		many[fmt.Sprintf("p/f%d.go", i)] = "package p\n"
	}
	body := strings.Repeat("\tx()\n", functionMax+1)
	for want, c := range map[string]struct {
		sources map[string]string
		limits  limits
	}{
		"p: 26 files of a package, at most 25": {sources: many},
		"p: 3501 lines of a package, at most 3500": {sources: map[string]string{
			"p/f.go": "package p\n" + strings.Repeat("\n", packageLinesMax)}},
		"p/f_test.go: 401 lines of a file, at most 400": {sources: map[string]string{
			"p/f_test.go": strings.Repeat("\n", fileLinesMax+1)}},
		"p: 1 functions with bodies that are too long": {sources: map[string]string{
			"p/f.go": "package p\nfunc f() {\n" + body + "}\n"}},
		".: 1 lines that are too wide": {sources: map[string]string{
			"f_test.go": "package p\n\t//" + strings.Repeat("x", columnsMax-2-tabColumns+1) + "\n"}},
		"p: 0 lines that are too wide: lower the entry in wideLines": {limits: limits{lines: map[string]int{"p": 1}}},
		"p: 0 files of a package: lower the entry": {
			limits: limits{packages: map[string]size{"p": {files: 26}}}},
	} {
		require.Contains(t, strings.Join(checkSizes(c.sources, c.limits), "\n"), want)
	}
	innocent := map[string]string{
		"p/f.go":      "package p\nfunc f() {\n" + strings.Repeat("\tx()\n", functionMax) + "}\n",
		"p/f_test.go": strings.Repeat("\n", fileLinesMax-1) + strings.Repeat("é", columnsMax) + "\n",
	}
	require.Empty(t, checkSizes(innocent, limits{}))
}
