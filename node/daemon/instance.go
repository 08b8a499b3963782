package daemon

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Instance is one configuration file and the node it describes.
type Instance struct {
	Name   string // the file's name without .yaml or .yml.
	Config string // absolute, symbolic links resolved: this is the identity.
}

// nameBytesMax bounds the part of a file name that comes from the configuration's name, so that the rest still fits.
const nameBytesMax = 100

// Key is the name of the instance's PID file, log and lock, without extension.
func (i Instance) Key() string {
	sum := sha256.Sum256([]byte(i.Config))
	name := i.Name
	if len(name) > nameBytesMax {
		name = name[:nameBytesMax]
	}
	return name + "-" + hex.EncodeToString(sum[:4])
}

// String prints the name, which is what people typed.
func (i Instance) String() string { return i.Name }

// ErrAmbiguous is wrapped by the errors that mean: one name, several configurations.
var ErrAmbiguous = errors.New("the name is ambiguous")

// instanceAt is the instance of the configuration file with this absolute, resolved path.
func instanceAt(path string) Instance { return Instance{Name: stem(filepath.Base(path)), Config: path} }

// stem is name without .yaml or .yml.
func stem(name string) string {
	for _, ext := range []string{".yaml", ".yml"} {
		if s, ok := strings.CutSuffix(name, ext); ok && s != "" {
			return s
		}
	}
	return name
}

// Resolve finds the instance that arg names, seen from the absolute folder cwd: node1, node1.yaml and node1.yml are the
// same one. When there is no such file yet, found is false and the instance is the one that node1.yaml (or the name
// given, when it has an extension) would be.
func Resolve(cwd, arg string) (inst Instance, found bool, err error) {
	if arg == "" || strings.HasSuffix(arg, string(filepath.Separator)) {
		return Instance{}, false, fmt.Errorf("%q does not name a configuration; give a file such as node1.yaml", arg)
	}
	abs := arg
	if !filepath.IsAbs(abs) {
		abs = filepath.Join(cwd, arg)
	}
	path, found, err := pickFile(abs)
	if err != nil {
		return Instance{}, false, err
	}
	if found {
		real, err := filepath.EvalSymlinks(path)
		if err != nil {
			return Instance{}, false, fmt.Errorf("configuration %s: %w", path, err)
		}
		return instanceAt(real), true, nil
	}
	// The folder may still be reached through a link, and the identity must not depend on it.
	dir, err := filepath.EvalSymlinks(filepath.Dir(path))
	if errors.Is(err, os.ErrNotExist) {
		dir = filepath.Dir(path)
	} else if err != nil {
		return Instance{}, false, fmt.Errorf("configuration %s: %w", path, err)
	}
	return instanceAt(filepath.Join(dir, filepath.Base(path))), false, nil
}

// pickFile chooses among the spellings of one configuration. A name with an extension is taken literally when the file
// exists. A bare name may be a folder, the node's data for instance: folders do not count.
func pickFile(abs string) (path string, found bool, err error) {
	base := stem(abs)
	if base != abs {
		if isFile(abs) {
			return abs, true, nil
		}
		for _, other := range []string{base + ".yaml", base + ".yml"} {
			if isFile(other) {
				return other, true, nil
			}
		}
		return abs, false, nil
	}
	yaml, yml := isFile(base+".yaml"), isFile(base+".yml")
	switch {
	case yaml && yml:
		return "", false, fmt.Errorf("%w: both %s.yaml and %s.yml exist; name one of them", ErrAmbiguous, base, base)
	case yaml:
		return base + ".yaml", true, nil
	case yml:
		return base + ".yml", true, nil
	case isFile(base):
		return base, true, nil
	}
	return base + ".yaml", false, nil
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && !info.IsDir()
}

// Find is Resolve for a node that may already run. A bare name that is no file in cwd, or no longer, also finds the one
// instance of that name that has a PID file, so that `kvs stop node1` works from any folder. A file in cwd always wins.
func (d *Daemon) Find(cwd, arg string) (inst Instance, found bool, err error) {
	inst, found, err = Resolve(cwd, arg)
	if err != nil || found {
		return inst, found, err
	}
	if _, err := os.Stat(d.Home.PIDPath(inst)); err == nil {
		return inst, true, nil
	}
	if strings.ContainsRune(arg, filepath.Separator) {
		return inst, false, nil
	}
	known, err := d.Known()
	if err != nil {
		return Instance{}, false, err
	}
	var same []Instance
	var paths []string
	for _, k := range known {
		if k.Name == inst.Name {
			same, paths = append(same, k), append(paths, k.Config)
		}
	}
	switch len(same) {
	case 0:
		return inst, false, nil
	case 1:
		return same[0], true, nil
	}
	return Instance{}, false, fmt.Errorf("%w: %q is none of the files here and may be any of %s; give the path",
		ErrAmbiguous, arg, strings.Join(paths, ", "))
}
