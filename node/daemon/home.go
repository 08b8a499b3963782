package daemon

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// HomeVariable names the environment variable that overrides the home folder, ~/.kvs.
const HomeVariable = "KVS_HOME"

// Home is the folder that holds PID files, logs and locks. The zero Home is not usable.
type Home struct{ dir string }

// NewHome returns the home in the absolute folder dir. Nothing is created before it is needed.
func NewHome(dir string) (Home, error) {
	if !filepath.IsAbs(dir) {
		return Home{}, fmt.Errorf("the kvs home %q is not an absolute path; set %s to one", dir, HomeVariable)
	}
	return Home{filepath.Clean(dir)}, nil
}

// HomeFromEnvironment is $KVS_HOME, else .kvs in the user's home folder.
func HomeFromEnvironment() (Home, error) {
	if dir := os.Getenv(HomeVariable); dir != "" {
		abs, err := filepath.Abs(dir)
		if err != nil {
			return Home{}, fmt.Errorf("%s=%q: %w", HomeVariable, dir, err)
		}
		return NewHome(abs)
	}
	user, err := os.UserHomeDir()
	if err != nil {
		return Home{}, fmt.Errorf("no folder for PID files and logs: %w; set HOME or %s", err, HomeVariable)
	}
	return NewHome(filepath.Join(user, ".kvs"))
}

// Dir is the home folder.
func (h Home) Dir() string { return h.dir }

// PIDPath is where inst's PID file is.
func (h Home) PIDPath(inst Instance) string { return h.pidPath(inst.Key()) }

// LogPath is where inst's log is.
func (h Home) LogPath(inst Instance) string {
	return filepath.Join(h.dir, "logs", inst.Key()+".log")
}

func (h Home) pidPath(key string) string  { return filepath.Join(h.dir, "pids", key+".pid") }
func (h Home) lockPath(key string) string { return filepath.Join(h.dir, "locks", key+".lock") }

// ErrHome is wrapped by the errors that mean: the home folder cannot be used.
var ErrHome = errors.New("the kvs home folder cannot be used")

// prepare creates the missing folders, readable by their owner alone.
func (h Home) prepare() error {
	for _, sub := range []string{"", "pids", "logs", "locks"} {
		if err := os.MkdirAll(filepath.Join(h.dir, sub), 0o700); err != nil {
			return fmt.Errorf("%w: %w; make it writable or set %s to another folder", ErrHome, err, HomeVariable)
		}
	}
	return nil
}
