package mutants

import (
	"fmt"
	"io/fs"
	"strings"
)

// Mutant is one small bug.
type Mutant struct {
	Name     string // lower-case letters, digits and dashes; that of its file.
	About    string // one line for people.
	Source   string // where the bug was seen or described: a paper, an issue, a report.
	Survives string // why no run has caught it; empty: it must be caught.
	// Hunt names the scenarios that are made to show the bug; a hunt runs them in turn with all the others. Explore is
	// the scope whose exhaustive exploration finds it; a hunt begins there. Both may be empty.
	Hunt    []string
	Explore string
	Edits   []Edit
}

// Edit replaces one piece of a file's text.
type Edit struct {
	File string // from the root of the module that the mutants are of, with slashes.
	Old  string // whole lines that the file must hold exactly once.
	New  string // whole lines, or nothing.
}

// File is a source file as a mutant has it.
type File struct {
	Name string
	Text string
}

// Load returns the mutants in a folder, by name: one in each file NAME.mutant.
func Load(list fs.FS) ([]Mutant, error) {
	names, err := fs.Glob(list, "*.mutant") // sorted.
	if err != nil {
		return nil, err
	}
	var all []Mutant
	for _, name := range names {
		text, err := fs.ReadFile(list, name)
		if err != nil {
			return nil, err
		}
		m, err := Parse(string(text))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if name != m.Name+".mutant" {
			return nil, fmt.Errorf("%s: it holds mutant %q: give the file the name of its mutant", name, m.Name)
		}
		all = append(all, m)
	}
	return all, nil
}

// Apply makes the edits to the files that read returns, and returns those that changed, in the order of their first
// edit.
func (m *Mutant) Apply(read func(name string) (string, error)) ([]File, error) {
	var out []File
	for _, e := range m.Edits {
		i := 0
		for i < len(out) && out[i].Name != e.File {
			i++
		}
		if i == len(out) {
			text, err := read(e.File)
			if err != nil {
				return nil, fmt.Errorf("mutant %s: %w", m.Name, err)
			}
			out = append(out, File{e.File, text})
		}
		if n := countLines(out[i].Text, e.Old); n != 1 {
			return nil, fmt.Errorf("mutant %s: its old text is %d times in %s, want once: bring %s.mutant up to date "+
				"with the code", m.Name, n, e.File, m.Name)
		}
		out[i].Text = strings.TrimPrefix(strings.Replace("\n"+out[i].Text, "\n"+e.Old, "\n"+e.New, 1), "\n")
	}
	return out, nil
}

// countLines counts how often text holds whole lines. Occurrences may share the line end between them.
func countLines(text, lines string) (n int) {
	text = "\n" + text
	for {
		i := strings.Index(text, "\n"+lines)
		if i < 0 {
			return n
		}
		n++
		text = text[i+1:]
	}
}
