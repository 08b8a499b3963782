package kvs_test

import (
	"path"
	"slices"
	"sort"
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
