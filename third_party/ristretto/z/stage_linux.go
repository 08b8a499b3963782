/*
 * SPDX-FileCopyrightText: © the kvs authors
 * SPDX-License-Identifier: Apache-2.0
 */

package z

import (
	"errors"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

const stages = true

// memory is private, and has all its pages.
func memory(sz int) ([]byte, error) {
	return unix.Mmap(-1, 0, sz, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_POPULATE)
}

// settle brings b to the disk, and puts the file in its place.
func settle(fd *os.File, b []byte) error {
	if _, err := fd.WriteAt(b, 0); err != nil {
		return err
	}
	for {
		err := unix.Fdatasync(int(fd.Fd()))
		if err == nil {
			break
		}
		if !errors.Is(err, unix.EINTR) {
			return &os.PathError{Op: "fdatasync", Path: fd.Name(), Err: err}
		}
	}
	_, err := unix.MmapPtr(int(fd.Fd()), 0, unsafe.Pointer(&b[0]), uintptr(len(b)), unix.PROT_READ,
		unix.MAP_SHARED|unix.MAP_FIXED)
	if err != nil {
		return &os.PathError{Op: "mmap", Path: fd.Name(), Err: err}
	}
	return nil
}
