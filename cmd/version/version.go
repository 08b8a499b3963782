// Package version is the one place with the version of this source, and the commit of which a program was built.
//
// It does not number formats: those on disk and on the wire have numbers of their own, see docs/reference/formats.md.
// Begin with Number.
package version

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
)

// Number is the version of kvs, by semver.org. The newest dated section of CHANGELOG.md is about it, and a tag vNumber
// marks its commit.
const Number = "0.1.0"

// commit is set when linking: -ldflags "-X kvs/cmd/version.commit=0123456789ab". A suffix "-dirty" means that the
// source differed from the commit.
var commit string

// Build is what `kvs version -o json` shows. Fields are added, never renamed.
type Build struct {
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"`
	Modified bool   `json:"modified"` // the source differed from the commit.
	Time     string `json:"time,omitempty"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// Read returns the build of the running program. The commit from the linker takes precedence over that from the Go
// command.
func Read() Build {
	b := Build{Version: Number, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			switch s.Key {
			case "vcs.revision":
				b.Commit = s.Value
			case "vcs.modified":
				b.Modified = s.Value == "true"
			case "vcs.time":
				b.Time = s.Value
			}
		}
	}
	return b.linked(commit)
}

// Revision is the commit, with a suffix if the source differed from it; empty: not known.
func (b Build) Revision() string {
	if b.Modified && b.Commit != "" {
		return b.Commit + "-modified"
	}
	return b.Commit
}

// linked is b with the commit from the linker.
func (b Build) linked(commit string) Build {
	if commit == "" {
		return b
	}
	clean, dirty := strings.CutSuffix(commit, "-dirty")
	if !strings.HasPrefix(b.Commit, clean) {
		b.Time = "" // it is of another commit.
	}
	b.Commit, b.Modified = clean, dirty
	return b
}

// String is the version with its commit as build metadata, such as 0.1.0+0123456789ab. It distinguishes builds.
func (b Build) String() string {
	id := b.Commit
	if len(id) > commitDigits {
		id = id[:commitDigits]
	}
	if id == "" {
		id = "unknown"
	}
	if b.Modified {
		id += ".modified"
	}
	return b.Version + "+" + id
}

// commitDigits are as many digits of a commit as people need.
const commitDigits = 12

// Line is the answer of `PROGRAM version` for people.
func (b Build) Line(program string) string {
	return fmt.Sprintf("%s %s (%s, %s)\n", program, b, b.Go, b.Platform)
}
