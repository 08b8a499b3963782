/*
 * SPDX-FileCopyrightText: © the kvs authors
 * SPDX-License-Identifier: Apache-2.0
 */

package z

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

func allocate(fd *os.File, sz int64) error {
	for {
		err := unix.Fallocate(int(fd.Fd()), 0, 0, sz)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.ENOSYS):
			return zeros(fd, sz)
		}
		return err
	}
}
