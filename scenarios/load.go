package scenarios

import (
	"embed"

	"kvs/sim/scenario"
)

//go:embed *.scenario regressions
var files embed.FS

// Library are the named scenarios of kvs: those of this folder, and "regressions/NAME" for those kept after a failure.
// It reads files of one's own as well.
var Library = &scenario.Library{Files: files, New: func() scenario.Sections { return NewSections() }}

// Names returns the names that Load knows, sorted.
func Names() []string { return Library.Names() }

// Load returns a scenario of this package by name.
func Load(name string) (scenario.Scenario, error) { return Library.Load(name) }

// Parse reads and validates a scenario of kvs. Errors name the line, if there is one.
func Parse(text string) (scenario.Scenario, error) { return Library.Parse(text) }

// Default returns the scenario with the defaults of a file.
func Default() scenario.Scenario { return Library.Default() }
