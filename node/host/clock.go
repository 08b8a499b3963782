package host

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"
)

// Clock is where a node's time comes from. It is safe for concurrent use.
type Clock interface {
	// Wall is the number of milliseconds since the Unix epoch by this machine's clock. It may jump.
	Wall() int64

	// Mono is a time that only goes forward, at the rate of real time. Its zero is arbitrary.
	Mono() time.Duration
}

// RealClock is the machine's clock; its monotonic time starts now.
func RealClock() Clock { return realClock{time.Now()} }

type realClock struct{ start time.Time }

func (realClock) Wall() int64           { return time.Now().UnixMilli() }
func (c realClock) Mono() time.Duration { return time.Since(c.start) }

// FileClock is the machine's clock with an error that is read from a file, and again whenever the file is written in
// place. It is for tests of real clusters, because one process of a machine cannot have a clock of its own.
//
// The file holds one line: the milliseconds that the clock is ahead at a time, the parts per million that it gains from
// then on, that time, and "runs", or what it shows while it stands still. Times are in milliseconds since the Unix
// epoch. A later line that cannot be parsed changes nothing.
func FileClock(file string) (Clock, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("test clock: %w", err)
	}
	c := &fileClock{Clock: RealClock(), file: f}
	if !c.read() {
		return nil, fmt.Errorf("test clock: %s must hold a line such as `0 0 0 runs`", file)
	}
	return c, nil
}

type fileClock struct {
	Clock
	file *os.File

	mu                           sync.Mutex
	offset, ppm, since, frozenAt int64
	frozen                       bool
}

func (c *fileClock) Wall() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.read()
	if c.frozen {
		return c.frozenAt
	}
	now := c.Clock.Wall()
	return now + c.offset + (now-c.since)*c.ppm/1_000_000
}

// read takes over what the file says.
func (c *fileClock) read() bool {
	var buf [128]byte
	n, _ := c.file.ReadAt(buf[:], 0) // io.EOF is the usual end.
	words := bytes.Fields(buf[:n])
	if len(words) != 4 {
		return false
	}
	var numbers [4]int64
	runs := string(words[3]) == "runs"
	for i, w := range words {
		if i == 3 && runs {
			break
		}
		number, err := strconv.ParseInt(string(w), 10, 64)
		if err != nil {
			return false
		}
		numbers[i] = number
	}
	c.offset, c.ppm, c.since, c.frozenAt, c.frozen = numbers[0], numbers[1], numbers[2], numbers[3], !runs
	return true
}
