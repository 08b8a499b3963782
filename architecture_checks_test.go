package kvs_test

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/build"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Checks of the tables in architecture_test.go. The source is parsed and type-checked inside the test process, so the
// test cache sees every file that these tests depend on.

func TestImports(t *testing.T) {
	for _, p := range load(t, ".") {
		r := roomOf(p.dir)
		if r == nil {
			t.Errorf("folder %q has no line in the table of rooms in architecture_test.go", p.dir)
			continue
		}
		for _, v := range checkImports(p, r) {
			t.Error(v)
		}
	}
}

func TestPurity(t *testing.T) {
	for _, p := range load(t, ".") {
		if r := roomOf(p.dir); r != nil && r.pure {
			for _, v := range checkPurity(p, r) {
				t.Error(v)
			}
		}
	}
}

// Every package says what it is, under its own name.
func TestPackageComments(t *testing.T) {
	for _, p := range load(t, ".") {
		documented := slices.ContainsFunc(p.files, func(f *ast.File) bool {
			text := f.Doc.Text()
			return strings.HasPrefix(text, "Package "+f.Name.Name+" ") ||
				strings.HasPrefix(text, "Command "+path.Base(p.dir)+" ")
		})
		if !documented {
			t.Errorf("%s: no package comment that begins with Package or Command and its name", p.dir)
		}
	}
}

// The commands of a first-time user stand in the Makefile, and nobody waits for time to pass in a test.
func TestNoSleepInTests(t *testing.T) {
	fset := token.NewFileSet()
	for _, name := range goFiles(t, ".", true) {
		f, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		ast.Inspect(f, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok && sel.Sel.Name == "Sleep" {
				if x, ok := sel.X.(*ast.Ident); ok && x.Name == "time" {
					t.Errorf("%s: time.Sleep in a test: wait for a condition with a deadline", fset.Position(n.Pos()))
				}
			}
			return true
		})
	}
}

// The alarm rings: each rule finds a violation that was planted for it, and nothing in innocent code.
func TestPlantedViolations(t *testing.T) {
	violations := map[string]string{
		"go statement":         `package p; func f() { go f() }`,
		"select statement":     `package p; func f() { select {} }`,
		"channel":              `package p; var c chan int`,
		"range over a map":     `package p; func f(m map[int]int) { for range m {} }`,
		"call of time.Now":     `package p; import "time"; var x = time.Now()`,
		"call of time.Sleep":   `package p; import "time"; var x = time.Sleep`,
		"import sync":          `package p; import "sync"; var x sync.Mutex`,
		"import os":            `package p; import "os"; var x = os.Args`,
		"import net/http":      `package p; import "net/http"; var x http.Header`,
		"import math/rand":     `package p; import "math/rand"; var x = rand.Int()`,
		"call of rand.IntN":    `package p; import "math/rand/v2"; var x = rand.IntN(3)`,
		"call of maps.Keys":    `package p; import "maps"; func f(m map[int]int) { for range maps.Keys(m) {} }`,
		"float":                `package p; func f(a, b int) bool { return float64(a)*1.5 > float64(b) }`,
		"float ":               `package p; import "time"; func f(d time.Duration) bool { return d.Seconds() > 3 }`,
		"float in ":            `package p; import "math"; var x = math.Sqrt(2) > math.Pi`,
		"range over a map ":    `package p; func f[M ~map[K]V, K comparable, V any](m M) { for range m {} }`,
		"call of fmt.Println":  `package p; import "fmt"; func f() { fmt.Println() }`,
		"call of iter.Pull":    `package p; import "iter"; func f(s iter.Seq[int]) { iter.Pull(s) }`,
		"call of time.Timer":   `package p; import "time"; func f(t *time.Timer) { t.Reset(1) }`,
		"pointer formatted":    `package p; import "fmt"; func f(x *int) string { return fmt.Sprintf("%p", x) }`,
		"import crypto/rand":   `package p; import "crypto/rand"; var x = rand.Reader`,
		"import runtime/debug": `package p; import "runtime/debug"; var x = debug.Stack`,
	}
	for what, src := range violations {
		got := checkPurity(parseSource(t, src), &room{dir: "p", pure: true})
		require.NotEmpty(t, got, what)
		require.Contains(t, strings.Join(got, "\n"), what)
	}
	innocent := `package p
import ("fmt"; "maps"; "math/rand/v2"; "slices"; "time")
func f(m map[int]int, r *rand.Rand, d time.Duration) string {
	sum := 0
	for _, k := range slices.Sorted(maps.Keys(m)) { sum += m[k] * r.IntN(3) }
	return fmt.Sprint(sum, d.String())
}`
	require.Empty(t, checkPurity(parseSource(t, innocent), &room{dir: "p", pure: true}))

	p := parseSource(t, `package p; import ("kvs/sim"; "github.com/dgraph-io/badger/v4"); var _, _ = sim.X, badger.Y`)
	got := strings.Join(checkImports(p, &room{dir: "node"}), "\n")
	require.Contains(t, got, "kvs/sim")
	require.Contains(t, got, "badger")
	require.Nil(t, roomOf("no/such/room"))
}

// pkg is one parsed package without its tests.
type pkg struct {
	dir   string
	fset  *token.FileSet
	files []*ast.File
	info  *types.Info
}

func (p *pkg) at(n ast.Node) string { return p.fset.Position(n.Pos()).String() }

func roomOf(dir string) *room {
	for i := range rooms {
		if rooms[i].dir == dir {
			return &rooms[i]
		}
	}
	return nil
}

func checkImports(p *pkg, r *room) (violations []string) {
	for _, f := range p.files {
		for _, spec := range f.Imports {
			name := strings.Trim(spec.Path.Value, `"`)
			first, _, _ := strings.Cut(name, "/")
			switch {
			case first == module:
				if !matches(r.local, strings.TrimPrefix(name, module+"/")) {
					violations = append(violations, fmt.Sprintf(
						"%s: %s may not import %s: the table of rooms does not allow it", p.at(spec), p.dir, name))
				}
			case strings.Contains(first, "."):
				if !slices.ContainsFunc(r.others, func(m string) bool {
					return name == m || strings.HasPrefix(name, m+"/")
				}) {
					violations = append(violations, fmt.Sprintf(
						"%s: %s may not import %s: it is confined to the room that wraps it", p.at(spec), p.dir, name))
				}
			}
		}
	}
	return violations
}

func matches(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(pat string) bool {
		prefix, wild := strings.CutSuffix(pat, "*")
		return pat == name || wild && strings.HasPrefix(name, prefix)
	})
}

// checkPurity finds what would make a package's behaviour depend on anything but its arguments.
func checkPurity(p *pkg, r *room) (violations []string) {
	say := func(n ast.Node, rule string) {
		if !slices.Contains(r.allow, rule) {
			violations = append(violations, fmt.Sprintf("%s: %s in pure package %s", p.at(n), rule, r.dir))
		}
	}
	for _, f := range p.files {
		for _, spec := range f.Imports {
			name := strings.Trim(spec.Path.Value, `"`)
			for _, banned := range bannedImports {
				if name == banned || strings.HasPrefix(name, banned+"/") && name != "math/rand/v2" {
					say(spec, "import "+name)
				}
			}
		}
		sorted := map[ast.Node]bool{} // arguments of slices.Sorted and its like.
		ast.Inspect(f, func(n ast.Node) bool {
			checkNode(p, n, sorted, say)
			return true
		})
	}
	return violations
}

func checkNode(p *pkg, n ast.Node, sorted map[ast.Node]bool, say func(ast.Node, string)) {
	if expr, ok := n.(ast.Expr); ok {
		if basic, ok := p.info.TypeOf(expr).(*types.Basic); ok && basic.Info()&types.IsFloat != 0 {
			say(n, "float") // whatever it came from: a literal, a constant, or a call such as Seconds.
		}
	}
	switch n := n.(type) {
	case *ast.GoStmt:
		say(n, "go statement")
	case *ast.SelectStmt:
		say(n, "select statement")
	case *ast.ChanType:
		say(n, "channel")
	case *ast.RangeStmt:
		if ranged := p.info.TypeOf(n.X); ranged != nil && isMap(ranged) {
			say(n, "range over a map")
		}
	case *ast.CallExpr:
		if sel, ok := n.Fun.(*ast.SelectorExpr); ok && strings.HasPrefix(sel.Sel.Name, "Sorted") && len(n.Args) > 0 {
			if call, ok := n.Args[0].(*ast.CallExpr); ok {
				sorted[call.Fun] = true
			}
		}
	case *ast.SelectorExpr:
		obj := p.info.Uses[n.Sel]
		if obj != nil && obj.Pkg() != nil && !sorted[n] && obj.Parent() == obj.Pkg().Scope() {
			if slices.Contains(bannedCalls[obj.Pkg().Path()], obj.Name()) {
				say(n, "call of "+obj.Pkg().Name()+"."+obj.Name())
			}
		}
	case *ast.BasicLit:
		if n.Kind == token.STRING && strings.Contains(n.Value, "%p") {
			say(n, "pointer formatted")
		}
	}
}

// isMap reports whether a type is a map, or a type parameter that stands for maps.
func isMap(t types.Type) bool {
	if _, ok := t.Underlying().(*types.Map); ok {
		return true
	}
	param, ok := t.(*types.TypeParam)
	if !ok {
		return false
	}
	constraint := param.Underlying().(*types.Interface)
	for i := range constraint.NumEmbeddeds() {
		terms, ok := constraint.EmbeddedType(i).(*types.Union)
		for k := 0; ok && k < terms.Len(); k++ {
			if isMap(terms.Term(k).Type()) {
				return true
			}
		}
	}
	return false
}

// load parses and type-checks every package of the module below dir.
func load(t *testing.T, dir string) []*pkg {
	t.Helper()
	if loaded != nil {
		return loaded
	}
	fset := token.NewFileSet()
	imp := exportImporter(t, fset)
	byDir := map[string][]*ast.File{}
	for _, name := range goFiles(t, dir, false) {
		f, err := parser.ParseFile(fset, name, nil, parser.ParseComments|parser.SkipObjectResolution)
		require.NoError(t, err)
		d := filepath.ToSlash(filepath.Dir(name))
		here, err := build.Default.MatchFile(filepath.Dir(name), filepath.Base(name))
		require.NoError(t, err)
		if !here { // for another system: what it imports cannot be checked here.
			r := roomOf(d)
			require.False(t, r == nil || r.pure, "%s: a pure package is the same on every system", name)
			continue
		}
		byDir[d] = append(byDir[d], f)
	}
	dirs := make([]string, 0, len(byDir))
	for d := range byDir {
		dirs = append(dirs, d)
	}
	sort.Strings(dirs)
	for _, d := range dirs {
		p := &pkg{dir: d, fset: fset, files: byDir[d], info: newInfo()}
		conf := types.Config{Importer: imp}
		_, err := conf.Check(module+"/"+d, fset, p.files, p.info)
		require.NoError(t, err, "type-check %s", d)
		loaded = append(loaded, p)
	}
	require.NotEmpty(t, loaded)
	return loaded
}

var loaded []*pkg

func newInfo() *types.Info {
	return &types.Info{Types: map[ast.Expr]types.TypeAndValue{}, Uses: map[*ast.Ident]types.Object{},
		Defs: map[*ast.Ident]types.Object{}}
}

// exportImporter reads the compiler's export data, which `go list` builds or finds in the build cache.
func exportImporter(t *testing.T, fset *token.FileSet) types.Importer {
	t.Helper()
	cmd := exec.Command("go", "list", "-export", "-deps", "-f", "{{.ImportPath}}\t{{.Export}}", "./...")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, stderr.String())
	exports := map[string]string{}
	for line := range strings.Lines(string(out)) {
		name, file, _ := strings.Cut(strings.TrimSpace(line), "\t")
		exports[name] = file
	}
	return importer.ForCompiler(fset, "gc", func(name string) (io.ReadCloser, error) {
		return os.Open(exports[name])
	})
}

// goFiles lists the Go files below dir: only tests, or only what is not a test.
func goFiles(t *testing.T, dir string, tests bool) (names []string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := d.Name()
		apart := strings.HasPrefix(base, ".") || base == "testdata" || base == "bin"
		if d.IsDir() && name != dir && (apart || isModule(name)) {
			return filepath.SkipDir
		}
		if !d.IsDir() && strings.HasSuffix(base, ".go") && strings.HasSuffix(base, "_test.go") == tests {
			names = append(names, name)
		}
		return nil
	}))
	return names
}

// isModule reports whether a folder is a module of its own, such as an example whose dependencies are not kvs': no rule
// of this table is about it.
func isModule(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "go.mod"))
	return err == nil
}

// planted is for the packages of parseSource, which share what they import.
var planted struct {
	fset    *token.FileSet
	imports types.Importer
}

// parseSource makes a package of one file. What it imports need not exist: names of such packages stay unresolved.
func parseSource(t *testing.T, src string) *pkg {
	t.Helper()
	if planted.fset == nil {
		planted.fset = token.NewFileSet()
		planted.imports = exportImporter(t, planted.fset)
	}
	fset := planted.fset
	f, err := parser.ParseFile(fset, "planted.go", src, parser.SkipObjectResolution)
	require.NoError(t, err)
	p := &pkg{dir: "p", fset: fset, files: []*ast.File{f}, info: newInfo()}
	conf := types.Config{Importer: planted.imports, Error: func(error) {}}
	_, _ = conf.Check("p", fset, p.files, p.info)
	return p
}
