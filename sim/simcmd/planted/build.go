// Package planted builds a program with a mutant's edits laid over its source, and without any. Begin with Builder.
package planted

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"kvs/sim/mutants"
)

// Prefix begins the names of the folders that programs are built in.
const Prefix = "kvsim-mutant-"

// Builder says what is built.
type Builder struct {
	Root    string // folder with the go.mod of the program's module.
	Module  string // the path of that module.
	Package string // the main package, from Root, such as "./cmd/kvsim".
	Edits   string // path of the module whose files are edited; empty: Module.
}

// Build builds the program with the mutant's edits laid over the source, and returns its file in dir.
func (b *Builder) Build(ctx context.Context, dir string, m *mutants.Mutant) (string, error) {
	source, flags, err := b.source(ctx, dir)
	if err != nil {
		return "", err
	}
	edited, err := m.Apply(func(name string) (string, error) {
		text, err := os.ReadFile(filepath.Join(source, filepath.FromSlash(name)))
		return string(text), err
	})
	if err != nil {
		return "", err
	}
	replace := map[string]string{}
	for i, f := range edited {
		at := filepath.Join(dir, fmt.Sprintf("edited%d.go", i))
		if err := os.WriteFile(at, []byte(f.Text), 0o644); err != nil {
			return "", err
		}
		absolute, err := filepath.Abs(filepath.Join(source, filepath.FromSlash(f.Name)))
		if err != nil {
			return "", err
		}
		replace[absolute] = at
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	overlayFile, program := filepath.Join(dir, "overlay.json"), filepath.Join(dir, "program")
	if err := os.WriteFile(overlayFile, overlay, 0o644); err != nil {
		return "", err
	}
	args := append([]string{"build", "-overlay", overlayFile, "-o", program}, flags...)
	cmd := exec.CommandContext(ctx, "go", append(args, b.Package)...)
	cmd.Dir = b.Root
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("mutant %s does not build (%w):\n%s", m.Name, err, out)
	}
	return program, nil
}

// source returns the folder to which the names of edited files are relative, and the build flags for taking files from
// there. It is the folder of the program's module, or a copy in dir of a library that the module requires: the go
// command does not overlay its module cache.
func (b *Builder) source(ctx context.Context, dir string) (source string, flags []string, err error) {
	if b.Edits == "" || b.Edits == b.Module {
		return b.Root, nil, nil
	}
	found, err := b.goCommand(ctx, "list", "-m", "-f", "{{.Dir}}", b.Edits)
	if err != nil {
		return "", nil, fmt.Errorf("find the source of %s: %w", b.Edits, err)
	}
	if found == "" {
		return "", nil, fmt.Errorf("the source of %s is not here: run `go mod download` in %s", b.Edits, b.Root)
	}
	library, modFile := filepath.Join(dir, "library"), filepath.Join(dir, "program.mod")
	if err := os.CopyFS(library, os.DirFS(found)); err != nil {
		return "", nil, fmt.Errorf("copy the source of %s: %w", b.Edits, err)
	}
	for from, to := range map[string]string{"go.mod": modFile, "go.sum": filepath.Join(dir, "program.sum")} {
		text, err := os.ReadFile(filepath.Join(b.Root, from))
		if err == nil {
			err = os.WriteFile(to, text, 0o644)
		}
		if err != nil {
			return "", nil, fmt.Errorf("copy %s: %w", from, err)
		}
	}
	if _, err := b.goCommand(ctx, "mod", "edit", "-replace", b.Edits+"="+library, modFile); err != nil {
		return "", nil, fmt.Errorf("replace %s by its copy: %w", b.Edits, err)
	}
	return library, []string{"-modfile", modFile}, nil
}

// goCommand runs the go command in the folder of the program's module, and returns what it prints.
func (b *Builder) goCommand(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = b.Root
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = fmt.Errorf("%w:\n%s", err, exit.Stderr)
	}
	return string(bytes.TrimSpace(out)), err
}

// FindModule returns the folder of a module, from the working directory up.
func FindModule(path string) (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		text, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && strings.HasPrefix(string(text), "module "+path+"\n") {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "",
				fmt.Errorf("the source of %s is not here: run it inside the repository, or name it with --source", path)
		}
		dir = parent
	}
}
