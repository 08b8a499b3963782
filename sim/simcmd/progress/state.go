// Package progress is how far a soak is, as a file beside the failures that it kept: what a later sitting goes on from,
// and what the shards of several machines are put together from.
package progress

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// State is how far a soak is, as a file beside the failures that it kept. It is between one build of kvsim and
// itself: no stable format.
type State struct {
	Program  string // hash of the program that lived the seeds.
	Scenario string // its text.
	Name     string // as it was asked for.
	Shard    Shard
	Duration time.Duration
	Verify   bool
	First    uint64
	Last     uint64
	Next     uint64   // the lowest seed that is not done.
	Done     []uint64 // those above it that are, rising.
	Lines    []string // of the broken seeds.
	Totals
}

// Totals are sums over the seeds lived, those of earlier sittings included.
type Totals struct {
	Lived      uint64
	Broken     int
	Operations int
	Events     uint64
	Faults     int
	Simulated  time.Duration
	Wall       time.Duration // of the earlier sittings.
}

// ProgramHash tells builds apart: it is that of the program that runs.
func ProgramHash() (string, error) {
	path, err := os.Executable()
	if err != nil {
		return "", err
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("read %s: %w", path, err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// Resume takes over what an earlier sitting of the same soak has done; without one there is nothing to take over.
func (s *State) Resume(path string, last uint64) error {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var was State
	if err == nil {
		err = json.Unmarshal(text, &was)
	}
	differs := ""
	switch {
	case err != nil:
		return fmt.Errorf("--resume: %w; without --resume the soak begins anew", err)
	case was.Program != s.Program:
		differs = "another build of kvsim"
	case was.Scenario != s.Scenario:
		differs = "another scenario, or another state of it"
	case was.Duration != s.Duration || was.Verify != s.Verify:
		differs = "another --duration or --verify"
	case was.First != s.First:
		differs = fmt.Sprintf("seeds from %d on", was.First)
	case was.Next > last+1 || len(was.Done) > 0 && was.Done[len(was.Done)-1] > last:
		differs = "seeds beyond the last one wanted"
	}
	if differs != "" {
		return fmt.Errorf("--resume: %s is of a soak with %s, and what that found says nothing about this one; "+
			"without --resume the soak begins anew", path, differs)
	}
	was.Last = last
	*s = was
	return nil
}

// stateSuffix ends the name of the file that says how far a soak is.
const Suffix = ".soak.json"

// Did notes that a seed is done.
func (s *State) Did(seed uint64) {
	at, _ := slices.BinarySearch(s.Done, seed)
	s.Done = slices.Insert(s.Done, at, seed)
	for len(s.Done) > 0 && s.Done[0] == s.Next {
		s.Next++
		s.Done = s.Done[1:]
	}
}

// Write replaces the file as a whole, so that a kill leaves the old or the new one, and so does a power cut: the new
// one is on disk before it takes the name, and the name is on disk before what comes next.
func (s *State) Write(path string) error {
	text, err := json.MarshalIndent(s, "", " ")
	if err != nil {
		return err
	}
	if err = os.MkdirAll(filepath.Dir(path), 0o755); err == nil {
		err = writeDurably(path, text)
	}
	if err != nil {
		return fmt.Errorf("keep how far the soak is: %w; choose another folder with --out", err)
	}
	return nil
}

// writeDurably puts text in the place of a file.
func writeDurably(path string, text []byte) error {
	f, err := os.Create(path + ".new")
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return err
	}
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
