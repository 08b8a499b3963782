package raft

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"kvs/sim/mutants"
	"kvs/sim/simcmd"
)

// quick are mutants that the first few runs catch: see TestQuickMutants.
var quick = []string{
	"append-without-matching", "read-without-heartbeats", "term-not-taken-over", "votes-by-length-alone", "votes-twice",
}

// TestQuickMutants: the hunt for a few of the planted bugs ends as the table in README.md says, to the seed and the
// number of runs.
func TestQuickMutants(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a program for each")
	}
	table, runs := hunted(t), 100
	var out, errs bytes.Buffer
	app := simcmd.App{Program: "raftsim", Systems: []simcmd.System{Tools()}}
	code := app.Execute([]string{"mutants", "--only", strings.Join(quick, ","), "--seeds", fmt.Sprint(runs),
		"--seed-timeout", "10m", "--jobs", "1", "--markdown"}, simcmd.IO{Out: &out, Err: &errs})
	if code != simcmd.ExitOK {
		t.Fatalf("exit code %d\n%s\n%s", code, out.String(), errs.String())
	}
	found := rowsOf(out.String())
	for _, name := range quick {
		if row := found[name]; row == "" || row != table[name] {
			t.Errorf("%s: README.md says %q, and the hunt %q: hunt all of them anew", name, table[name], row)
		}
	}
}

// TestTableOfMutants: the table has a row for each mutant that is caught, and the list below it the others.
func TestTableOfMutants(t *testing.T) {
	all, err := mutants.Load(Mutants())
	if err != nil {
		t.Fatal(err)
	}
	table := hunted(t)
	for i := range all {
		m := &all[i]
		if caught := table[m.Name] != ""; caught == (m.Survives != "") {
			t.Errorf("%s: it has a row: %t, and its file says why it survives: %q", m.Name, caught, m.Survives)
		}
		delete(table, m.Name)
	}
	if len(table) > 0 {
		t.Errorf("rows of no mutants: %v", table)
	}
	if i := slices.IndexFunc(quick, func(name string) bool { return hunted(t)[name] == "" }); i >= 0 {
		t.Errorf("%s has no row", quick[i])
	}
}

// hunted are the rows of README.md, by mutant.
func hunted(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(text), "\n## Planted bugs\n")
	if !found {
		t.Fatal("README.md has no section about planted bugs")
	}
	return rowsOf(section)
}

// row is a row of the table: mutant, promises, scenario, seed, runs. What a run costs is in it only as it is printed.
var row = regexp.MustCompile(`(?m)^\| ([a-z-]+) (\|(?: [^|]* \|){4})`)

func rowsOf(text string) map[string]string {
	out := map[string]string{}
	for _, m := range row.FindAllStringSubmatch(text, -1) {
		if m[1] != "mutant" {
			out[m[1]] = m[2]
		}
	}
	return out
}
