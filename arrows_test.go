package kvs_test

import (
	"go/ast"
	"os"
	"path"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Arrows: which file of a package names what another one defines. The files of a package have an order of floors, each
// standing on those whose names it uses; an arrow that runs against it makes a circle, and who reads one of the files
// of a circle has to read all. The limit is that of the core; the table has what is above it today, and only goes down.
const upwardMax = 20

var upward = map[string]int{
	"node/swim": 24,
}

func TestArrows(t *testing.T) {
	for _, p := range load(t, ".") {
		if r := roomOf(p.dir); r == nil || !r.pure || p.dir != "node" && !strings.HasPrefix(p.dir, "node/") {
			continue
		}
		up := arrowsOf(p).upward()
		limit := max(upward[p.dir], upwardMax)
		if len(up) > limit {
			t.Errorf("%s: %d arrows run against the order of the files, at most %d: %s", p.dir, len(up), limit,
				strings.Join(up, ", "))
		}
		if entry, is := upward[p.dir]; is && len(up) < max(entry, upwardMax+1) {
			t.Errorf("%s: %d arrows run against the order of the files: lower or drop the entry in upward, "+
				"which says %d",
				p.dir, len(up), entry)
		}
	}
}

// arrows are those of one package: from each file the files whose names it uses.
type arrows map[string]map[string]bool

func arrowsOf(p *pkg) arrows {
	out := arrows{}
	for id, obj := range p.info.Uses {
		if obj == nil || obj.Pkg() == nil || obj.Pkg().Path() != module+"/"+p.dir {
			continue
		}
		from, to := p.fset.Position(id.Pos()).Filename, p.fset.Position(obj.Pos()).Filename
		from, to = path.Base(from), path.Base(to)
		if from == to {
			continue
		}
		if out[from] == nil {
			out[from] = map[string]bool{}
		}
		out[from][to] = true
	}
	return out
}

// upward lists the arrows that run against the best order that a search finds: it moves one file at a time as long as
// that helps, beginning with the order of their names, so it says the same each time.
func (a arrows) upward() (out []string) {
	var order []string
	for from, tos := range a {
		order = append(order, from)
		for to := range tos {
			order = append(order, to)
		}
	}
	sort.Strings(order)
	order = slices.Compact(order)
	best := a.against(order)
	for improved := true; improved; {
		improved = false
		for i := range order {
			for j := range order {
				moved := slices.Insert(slices.Delete(slices.Clone(order), i, i+1), j, order[i])
				if up := a.against(moved); len(up) < len(best) {
					best, order, improved = up, moved, true
				}
			}
		}
	}
	return best
}

// against lists the arrows that run against an order, lowest floor first.
func (a arrows) against(order []string) (up []string) {
	for i, low := range order {
		for _, high := range order[i+1:] {
			if a[low][high] {
				up = append(up, low+" -> "+high)
			}
		}
	}
	return up
}

// The alarm rings: a circle of two files is one arrow too many, and a ladder of three none.
func TestPlantedArrows(t *testing.T) {
	ladder := arrows{"a.go": {"b.go": true, "c.go": true}, "b.go": {"c.go": true}}
	require.Empty(t, ladder.upward())
	ladder["c.go"] = map[string]bool{"b.go": true}
	require.Len(t, ladder.upward(), 1)
}

// What ARCHITECTURE.md says of the sizes of the core is so, give or take a tenth.
func TestTheMapTellsSizes(t *testing.T) {
	text, err := os.ReadFile("ARCHITECTURE.md")
	require.NoError(t, err)
	sentence := regexp.MustCompile("The core has (\\d+) packages; the largest, `(\\S+)`, has (\\d+) files and " +
		"([\\d,]+) lines\\. `Node` has (\\d+) methods of its own\\. .* " +
		"Within `node`, (\\d+) of (\\d+) arrows run back up")
	said := sentence.FindStringSubmatch(strings.ReplaceAll(string(text), "\n", " "))
	require.NotNil(t, said, "the sentence that this test reads")
	packages, files, lines, methods, largest, up, all := 0, 0, 0, 0, "", 0, 0
	for _, p := range load(t, ".") {
		if r := roomOf(p.dir); r == nil || !r.pure || p.dir != "machine" && p.dir != "node" &&
			!strings.HasPrefix(p.dir, "node/") {
			continue
		}
		packages++
		if p.dir == "node" {
			a := arrowsOf(p)
			for _, to := range a {
				all += len(to)
			}
			up = len(a.upward())
		}
		n := 0
		for _, f := range p.files {
			n += p.fset.Position(f.End()).Line
			for _, d := range f.Decls {
				if fn, ok := d.(*ast.FuncDecl); ok && p.dir == "node" && receiver(fn) == "Node" {
					methods++
				}
			}
		}
		if n > lines {
			largest, files, lines = p.dir, len(p.files), n
		}
	}
	require.Equal(t, largest, said[2])
	for i, is := range map[int]int{1: packages, 3: files, 4: lines, 5: methods, 6: up, 7: all} {
		n, err := strconv.Atoi(strings.ReplaceAll(said[i], ",", ""))
		require.NoError(t, err)
		require.InDelta(t, is, n, max(float64(is)/10, 1), "%d: %s", i, said[0])
	}
}

// receiver is the name of the type that a method belongs to; empty: fn is a function.
func receiver(fn *ast.FuncDecl) string {
	if fn.Recv == nil || len(fn.Recv.List) == 0 {
		return ""
	}
	of := fn.Recv.List[0].Type
	if star, is := of.(*ast.StarExpr); is {
		of = star.X
	}
	if name, is := of.(*ast.Ident); is {
		return name.Name
	}
	return ""
}
