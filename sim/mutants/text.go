package mutants

import (
	"fmt"
	"strings"
)

// The marks that begin and end the texts of an edit, each on a line of its own.
const (
	markOld = "--- old"
	markNew = "--- new"
	markEnd = "--- end"
)

// Parse reads a mutant as its file has it:
//
//	mutant   NAME
//	about    one line
//	source   one line
//	survives one line           why no run has shown it, for one that none has
//	hunt     scenario           one made to show it; as often as there are such
//	explore  scope              of kvsim explore, which finds it
//	file     path/of/file.go    this and what follows once for each edit
//	--- old
//	lines
//	--- new
//	lines, or none
//	--- end
//
// Lines that begin with # before the first edit, and empty lines between fields, are for readers.
func Parse(text string) (Mutant, error) {
	var m Mutant
	p := parser{lines: strings.SplitAfter(text, "\n")}
	for p.at < len(p.lines) {
		line := strings.TrimSpace(p.next())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, value, _ := strings.Cut(line, " ")
		value = strings.TrimSpace(value)
		var err error
		switch key {
		case "mutant":
			err = set(&m.Name, key, value)
		case "about":
			err = set(&m.About, key, value)
		case "source":
			err = set(&m.Source, key, value)
		case "survives":
			err = set(&m.Survives, key, value)
		case "hunt":
			m.Hunt = append(m.Hunt, value)
		case "explore":
			err = set(&m.Explore, key, value)
		case "file":
			err = p.edit(&m, value)
		default:
			err = fmt.Errorf("unknown field %q: use mutant, about, source, survives, hunt, explore or file", key)
		}
		if err != nil {
			return Mutant{}, fmt.Errorf("line %d: %w", p.at, err)
		}
	}
	return m, m.check()
}

func set(field *string, key, value string) error {
	if *field != "" {
		return fmt.Errorf("%s is given twice: take one out", key)
	}
	*field = value
	return nil
}

func (m *Mutant) check() error {
	if strings.Trim(m.Name, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" || m.Name == "" {
		return fmt.Errorf("mutant name %q: use lower-case letters, digits and dashes", m.Name)
	}
	if m.About == "" || m.Source == "" || len(m.Edits) == 0 {
		return fmt.Errorf("mutant %s: about, source and at least one edit are required", m.Name)
	}
	return nil
}

type parser struct {
	lines []string // with their line ends.
	at    int
}

func (p *parser) next() string {
	p.at++
	return p.lines[p.at-1]
}

// edit reads the two texts that follow a file's name.
func (p *parser) edit(m *Mutant, file string) error {
	if file == "" || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") ||
		strings.Contains(file, "..") {
		return fmt.Errorf("file %q: name a Go file that is no test, from the root of the module", file)
	}
	if p.at == len(p.lines) || strings.TrimSpace(p.next()) != markOld {
		return fmt.Errorf("after the file's name a line %q is wanted", markOld)
	}
	before, err := p.until(markNew)
	if err != nil {
		return err
	}
	after, err := p.until(markEnd)
	if err != nil {
		return err
	}
	if before == "" || before == after {
		return fmt.Errorf("the old text must not be empty and must differ from the new one")
	}
	m.Edits = append(m.Edits, Edit{File: file, Old: before, New: after})
	return nil
}

func (p *parser) until(mark string) (string, error) {
	var b strings.Builder
	for p.at < len(p.lines) {
		line := p.next()
		switch strings.TrimSpace(line) {
		case mark:
			return b.String(), nil
		case markOld, markNew, markEnd: // it would be planted as source.
			return "", fmt.Errorf("the line %q is missing before %q", mark, strings.TrimSpace(line))
		}
		b.WriteString(line)
	}
	return "", fmt.Errorf("the line %q is missing", mark)
}
