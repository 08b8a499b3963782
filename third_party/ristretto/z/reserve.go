/*
 * SPDX-FileCopyrightText: © the kvs authors
 * SPDX-License-Identifier: Apache-2.0
 */

package z

import (
	"errors"
	"fmt"
	"os"
)

// reserve makes a new file sz bytes long, with all its blocks: a write to a mapped block for which the disk has no
// room ends the process. Without room the file is closed and removed.
func reserve(fd *os.File, sz int) error {
	if err := fd.Truncate(int64(sz)); err != nil {
		return errors.Join(err, errors.New("error while truncation"))
	}
	if err := allocate(fd, int64(sz)); err != nil {
		err = fmt.Errorf("reserve %d bytes for %s: %w", sz, fd.Name(), err)
		return errors.Join(err, fd.Close(), os.Remove(fd.Name()))
	}
	return nil
}

// zeros writes the blocks, where the file system cannot reserve them.
func zeros(fd *os.File, sz int64) error {
	piece := make([]byte, min(sz, 1<<18))
	for at := int64(0); at < sz; at += int64(len(piece)) {
		if _, err := fd.WriteAt(piece[:min(int64(len(piece)), sz-at)], at); err != nil {
			return err
		}
	}
	return nil
}
