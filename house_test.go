package kvs_test

import (
	"errors"
	"fmt"
	"go/ast"
	"go/constant"
	"go/types"
	"io/fs"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Rules of docs/style.md that a machine can check, beside those of architecture_test.go and sizes_test.go.

// exits are the functions outside of package main that end the process, each because it is a main function itself.
var exits = []string{"sim/simcmd/root.go"} // App.Main is the whole main of programs that use the framework.

var endsProcess = map[string][]string{"os": {"Exit"}, "log": {"Fatal", "Fatalf", "Fatalln"}, "syscall": {"Exit"}}

func TestHouseRules(t *testing.T) {
	for _, p := range load(t, ".") {
		for _, v := range checkHouse(p) {
			t.Error(v)
		}
	}
}

// checkHouse finds libraries that end the process, causes of errors that are not wrapped, and panics that do not say
// whose they are.
func checkHouse(p *pkg) (violations []string) {
	for _, f := range p.files {
		file := p.fset.Position(f.Pos()).Filename
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			pkgName, name := callee(p, call)
			switch {
			case slices.Contains(endsProcess[pkgName], name) && f.Name.Name != "main" && !slices.Contains(exits, file):
				violations = append(violations, p.at(n)+": a library ends the process: return an error")
			case pkgName == "fmt" && name == "Errorf" && len(call.Args) > 1 && !wraps(p, call):
				violations = append(violations, p.at(n)+": an error in fmt.Errorf without %w: its cause is lost")
			case pkgName == "" && name == "panic" && !panicSaysWhose(p, call):
				violations = append(violations, p.at(n)+": a panic whose message has no name and colon first")
			}
			return true
		})
	}
	return violations
}

// callee is the package and the name of a called function; the package of a builtin is empty.
func callee(p *pkg, call *ast.CallExpr) (pkgName, name string) {
	switch fun := call.Fun.(type) {
	case *ast.SelectorExpr:
		if obj := p.info.Uses[fun.Sel]; obj != nil && obj.Pkg() != nil && obj.Parent() == obj.Pkg().Scope() {
			return obj.Pkg().Path(), obj.Name()
		}
	case *ast.Ident:
		if _, ok := p.info.Uses[fun].(*types.Builtin); ok {
			return "", fun.Name
		}
	}
	return "?", ""
}

// text is the constant that an expression begins with, and whether there is one.
func text(p *pkg, e ast.Expr) (string, bool) {
	if v := p.info.Types[e].Value; v != nil && v.Kind() == constant.String {
		return constant.StringVal(v), true
	}
	if b, ok := e.(*ast.BinaryExpr); ok {
		return text(p, b.X)
	}
	if call, ok := e.(*ast.CallExpr); ok {
		if pkgName, name := callee(p, call); pkgName == "fmt" && name == "Sprintf" {
			return text(p, call.Args[0])
		}
	}
	return "", false
}

// wraps reports whether an Errorf with errors among its arguments has a %w.
func wraps(p *pkg, call *ast.CallExpr) bool {
	format, ok := text(p, call.Args[0])
	if !ok || strings.Contains(format, "%w") {
		return true
	}
	anError := types.Universe.Lookup("error").Type()
	return !slices.ContainsFunc(call.Args[1:], func(a ast.Expr) bool {
		return p.info.TypeOf(a) != nil && types.Identical(p.info.TypeOf(a), anError)
	})
}

var whose = regexp.MustCompile(`^[a-z]+: `)

func panicSaysWhose(p *pkg, call *ast.CallExpr) bool {
	message, ok := text(p, call.Args[0])
	return ok && whose.MatchString(message) || strings.HasPrefix(message, "%")
}

// The alarm rings: each rule finds what was planted for it, and nothing in innocent code.
func TestPlantedHouseViolations(t *testing.T) {
	for src, want := range map[string]string{
		`package p; import "os"; func f() { os.Exit(1) }`:                                      "ends the process",
		`package p; import "log"; func f() { log.Fatal(1) }`:                                   "ends the process",
		`package p; import "fmt"; func f(err error) error { return fmt.Errorf("x: %v", err) }`: "without %w",
		`package p; func f() { panic("boom") }`:                                                "a panic whose message",
		`package p; func f(x any) { panic(x) }`:                                                "a panic whose message",
	} {
		require.Contains(t, strings.Join(checkHouse(parseSource(t, src)), "\n"), want, src)
	}
	innocent := `package p
import "fmt"
func f(err error) error {
	if err == nil { panic(fmt.Sprintf("p: nothing %d", 1) + " at all") }
	return fmt.Errorf("%d: %w", 1, err)
}`
	require.Empty(t, checkHouse(parseSource(t, innocent)))
}

// shortFlag is a short flag of kvs or kvsim in a line of commands.
var shortFlag = regexp.MustCompile(`(?m)\b(?:kvs|kvsim) [^|;&#\n]*?(?:^|\s)(-[a-zA-Z])\b`)

// hardWords are words of which a reader does not see the noun. docs/style.md has the rule, and quotes some.
var hardWords = regexp.MustCompile(`(?i)\b(whoever|whomever|takes? note of|took note of|nobody|anybody's|lives it)\b`)

// Commands on pages have long flags, which say what they mean, and sentences name their subjects.
func TestPagesArePlain(t *testing.T) {
	for _, page := range markdown(t) {
		if slices.Contains(generated, page) || page == "docs/style.md" {
			continue
		}
		b, err := os.ReadFile(page)
		require.NoError(t, err)
		for _, v := range checkPlain(string(b)) {
			t.Errorf("%s: %s", page, v)
		}
	}
	require.Len(t, checkPlain("```sh\nkvs get a -c quorum\nkvs put PATH -- -5\n```\nWhoever got one asks.\n"), 2)
	require.Empty(t, checkPlain("```sh\nkvs get a --consistency quorum | head -n 1\n```\n"))
}

// The source has plain words too, in comments and in the texts that it prints.
func TestSourceIsPlain(t *testing.T) {
	for _, p := range load(t, ".") {
		for _, f := range p.files {
			name := p.fset.Position(f.Pos()).Filename
			b, err := os.ReadFile(name)
			require.NoError(t, err)
			for i, line := range strings.Split(string(b), "\n") {
				if word := hardWords.FindString(line); word != "" {
					t.Errorf("%s:%d: %q: name the subject", name, i+1, word)
				}
			}
		}
	}
}

func checkPlain(page string) (violations []string) {
	for _, m := range shortFlag.FindAllStringSubmatch(page, -1) {
		violations = append(violations, fmt.Sprintf("the short flag %s in %q: write the long one", m[1], m[0]))
	}
	for _, m := range hardWords.FindAllString(page, -1) {
		violations = append(violations, fmt.Sprintf("%q: name the subject", m))
	}
	return violations
}

// A program that somebody built in the checkout is not committed with the source.
func TestNoFileIsLarge(t *testing.T) {
	const bytesMax = 1 << 20
	out, err := exec.Command("git", "ls-files", "-z").Output()
	if err != nil {
		t.Skipf("NOT A CHECKOUT: %v", err)
	}
	for _, name := range strings.Split(strings.TrimRight(string(out), "\x00"), "\x00") {
		info, err := os.Lstat(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed, and not committed yet.
		}
		require.NoError(t, err)
		require.LessOrEqual(t, info.Size(), int64(bytesMax), "%s: take it out of the commit", name)
	}
}
