//go:build !linux

package docker

import (
	"errors"
	"time"
)

// queue needs Linux.
type queue struct{ number uint16 }

func openQueue(func([]byte) time.Duration) (*queue, error) {
	return nil, errors.New("delays need Linux, root and NFQUEUE in the kernel")
}

func (*queue) close() error { return nil }
