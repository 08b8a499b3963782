//go:build !linux

package storm

import "errors"

var errLinux = errors.New("that needs Linux")

func mountDisk(string, int64) error { return errLinux }

func unmountDisk(string) error { return errLinux }

func allocate(uintptr, int64) error { return errLinux }
