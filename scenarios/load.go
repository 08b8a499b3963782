package scenarios

import (
	"embed"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
)

//go:embed *.scenario regressions
var files embed.FS

const extension = ".scenario"

// Names returns the names that Load knows, sorted: those of the files here, and "regressions/NAME" for those kept after
// a failure.
func Names() []string {
	var out []string
	err := fs.WalkDir(files, ".", func(path string, d fs.DirEntry, err error) error {
		if name, ok := strings.CutSuffix(path, extension); ok && err == nil && !d.IsDir() {
			out = append(out, name)
		}
		return err
	})
	if err != nil {
		panic("scenarios: the embedded files cannot be walked: " + err.Error())
	}
	slices.Sort(out)
	return out
}

// Load returns a scenario of this package by name.
func Load(name string) (Scenario, error) {
	text, err := files.ReadFile(name + extension)
	if err != nil {
		return Scenario{}, fmt.Errorf("there is no scenario %q: use one of %s, or the path of a file", name, strings.Join(Names(), ", "))
	}
	return parseFile(name+extension, text)
}

// LoadFile returns the scenario in the file at path: one written after a failure, or one's own.
func LoadFile(path string) (Scenario, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Scenario{}, fmt.Errorf("scenario file: %w", err)
	}
	return parseFile(path, text)
}

func parseFile(path string, text []byte) (Scenario, error) {
	s, err := Parse(string(text))
	if err != nil {
		return Scenario{}, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}
