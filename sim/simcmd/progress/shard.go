package progress

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Shard is one of the equal parts of a soak that several machines share. The zero value is the whole.
type Shard struct{ Index, Count int }

// Whole reports whether it is all.
func (s Shard) Whole() bool { return s.Count == 0 }

// Suffix tells the state files of shards apart.
func (s Shard) Suffix() string {
	if s.Whole() {
		return ""
	}
	return fmt.Sprintf("-%d-of-%d", s.Index, s.Count)
}

const shardsMax = 100_000

// ParseShard reads "i/n", i from 1 to n; nothing means the whole.
func ParseShard(text string) (s Shard, err error) {
	if text == "" {
		return s, nil
	}
	var rest string
	n, _ := fmt.Sscanf(text+"\n", "%d/%d%s", &s.Index, &s.Count, &rest)
	if n != 2 || s.Count < 1 || s.Count > shardsMax || s.Index < 1 || s.Index > s.Count {
		return Shard{}, fmt.Errorf("--shard %q: write i/n, i from 1 to n, for example 1/8", text)
	}
	return s, nil
}

// Of is the part of a range of seeds. The parts of all shards are the range, and no two of them overlap.
func (s Shard) Of(first, last uint64) (uint64, uint64, error) {
	if s.Whole() {
		return first, last, nil
	}
	total, count := last-first+1, uint64(s.Count)
	if total < count {
		return 0, 0, fmt.Errorf("--shard %d/%d: there are only %d seeds to share", s.Index, s.Count, total)
	}
	size, larger := total/count, total%count // the first shards have one more.
	before := uint64(s.Index - 1)
	first += before*size + min(before, larger)
	if before < larger {
		size++
	}
	return first, first + size - 1, nil
}

// found is a state file and its content.
type found struct {
	path string
	State
}

// Merge gathers what the shards in these folders have found. They have to be one whole soak.
func Merge(folders []string) (sum State, count int, err error) {
	all, err := readShards(folders)
	if err != nil {
		return sum, 0, err
	}
	slices.SortStableFunc(all, func(a, b found) int {
		switch {
		case a.First < b.First:
			return -1
		case a.First > b.First:
			return 1
		}
		return 0
	})
	sum = all[0].State
	for i := range all {
		s := &all[i]
		if i > 0 {
			if err := joins(&all[i-1], s); err != nil {
				return sum, 0, err
			}
			sum.add(&s.State)
		}
		if s.Next != s.Last+1 {
			return sum, 0, fmt.Errorf("%s is not finished: seed %d of %d..%d is not done; "+
				"go on there with soak --resume", s.path, s.Next, s.First, s.Last)
		}
	}
	if n := all[0].Shard.Count; n != len(all) {
		return sum, 0, fmt.Errorf("%d of %d shards are there: name the folders of all", len(all), max(n, 1))
	}
	return sum, len(all), nil
}

// readShards reads all state files below the folders.
func readShards(folders []string) (all []found, err error) {
	for _, folder := range folders {
		before := len(all)
		err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, Suffix) {
				return err
			}
			f := found{path: path}
			text, err := os.ReadFile(path)
			if err == nil {
				err = json.Unmarshal(text, &f.State)
			}
			if err != nil {
				return fmt.Errorf("%s: %w; it is not what soak left there", path, err)
			}
			all = append(all, f)
			return nil
		})
		if err != nil {
			return nil, err
		}
		if len(all) == before {
			return nil, fmt.Errorf("%s holds no *%s: give soak --out", folder, Suffix)
		}
	}
	return all, nil
}

// joins reports whether b goes on where a ends, and is of the same soak.
func joins(a, b *found) error {
	differs := ""
	switch {
	case a.Program != b.Program:
		differs = "different builds"
	case a.Scenario != b.Scenario:
		differs = "different scenarios"
	case a.Duration != b.Duration || a.Verify != b.Verify:
		differs = "different --duration or --verify"
	case a.Shard.Count != b.Shard.Count:
		differs = fmt.Sprintf("%d and of %d shards", a.Shard.Count, b.Shard.Count)
	case b.First <= a.Last:
		return fmt.Errorf("%s and %s both have the seed %d", a.path, b.path, b.First)
	case b.First != a.Last+1:
		return fmt.Errorf("the seeds from %d to %d are missing, between %s and %s: name the folders of all shards",
			a.Last+1, b.First-1, a.path, b.path)
	}
	if differs != "" {
		return errors.New(a.path + " and " + b.path + " are of " + differs + ": they are not one soak")
	}
	return nil
}

// add takes in what the next shard has found.
func (s *State) add(next *State) {
	s.Last = next.Last
	s.Lines = append(s.Lines, next.Lines...)
	s.Lived += next.Lived
	s.Broken += next.Broken
	s.Operations += next.Operations
	s.Events += next.Events
	s.Faults += next.Faults
	s.Simulated += next.Simulated
	s.Wall += next.Wall
}
