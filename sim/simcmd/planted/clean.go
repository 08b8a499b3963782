package planted

import (
	"context"
	"errors"
	"os"
	"sync"

	"kvs/sim/mutants"
)

// Clean is the program without any bug planted. A failure that it has too says nothing about a mutant. The zero value
// is not built. It is safe for concurrent use.
type Clean struct {
	mu   sync.Mutex
	dir  string // empty: it is not built.
	file string
}

// Program is the program's file. The first call builds it.
func (c *Clean) Program(ctx context.Context, b *Builder) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dir != "" {
		return c.file, nil
	}
	dir, err := os.MkdirTemp("", Prefix)
	if err != nil {
		return "", err
	}
	if c.file, err = b.Build(ctx, dir, &mutants.Mutant{Name: "none"}); err != nil {
		return "", errors.Join(err, os.RemoveAll(dir))
	}
	c.dir = dir
	return c.file, nil
}

// Remove removes the program, if it is built.
func (c *Clean) Remove() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	dir := c.dir
	c.dir, c.file = "", ""
	return os.RemoveAll(dir) // of an empty name: nothing.
}
