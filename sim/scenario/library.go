package scenario

import (
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
)

// Extension is that of scenario files.
const Extension = ".scenario"

// Library are the named scenarios of one system: the files of a folder, most often embedded in the program. Both fields
// are required.
type Library struct {
	Files fs.FS
	New   func() Sections // the system's default sections; new memory each time.
}

// Names returns the names that Load knows, sorted: paths of the files without the extension, such as
// "regressions/NAME".
func (l *Library) Names() []string {
	var out []string
	err := fs.WalkDir(l.Files, ".", func(path string, d fs.DirEntry, err error) error {
		if name, ok := strings.CutSuffix(path, Extension); ok && err == nil && !d.IsDir() {
			out = append(out, name)
		}
		return err
	})
	if err != nil {
		panic("scenario: the files of a library cannot be walked: " + err.Error())
	}
	slices.Sort(out)
	return out
}

// Text returns the file of the scenario with a name.
func (l *Library) Text(name string) (string, error) {
	text, err := fs.ReadFile(l.Files, name+Extension)
	if err != nil {
		return "", fmt.Errorf("there is no scenario %q: use one of %s, or the path of a file", name,
			strings.Join(l.Names(), ", "))
	}
	return string(text), nil
}

// Load returns a scenario of the library by name.
func (l *Library) Load(name string) (Scenario, error) {
	text, err := l.Text(name)
	if err != nil {
		return Scenario{}, err
	}
	return l.parseFile(name+Extension, text)
}

// LoadFile returns the scenario in the file at path: one written after a failure, or one's own.
func (l *Library) LoadFile(path string) (Scenario, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Scenario{}, fmt.Errorf("scenario file: %w", err)
	}
	return l.parseFile(path, string(text))
}

// Parse reads and validates a scenario of the system.
func (l *Library) Parse(text string) (Scenario, error) { return Parse(text, l.New()) }

// Default returns the scenario with the defaults of a file.
func (l *Library) Default() Scenario { return Default(l.New()) }

func (l *Library) parseFile(path, text string) (Scenario, error) {
	s, err := l.Parse(text)
	if err != nil {
		return Scenario{}, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}
