/*
 * SPDX-FileCopyrightText: © the kvs authors
 * SPDX-License-Identifier: Apache-2.0
 */

package z

import (
	"errors"
	"os"
	"strings"
	"sync"
)

// Badger writes a table once and whole (table.CreateTable): it makes the file, copies the table into its memory, calls
// Msync, and only reads it from then on. In a shared mapping of a file each page of that costs a fault when it is
// written to, and a flush of the processors' page tables in msync. So the memory of a new table is the process' own.
// Msync writes it to the file, syncs the file, and maps the file to the same addresses, to be read.
//
// A crash in between leaves a file of the right size, with zeros where nothing was written, as before.

// staged are the files of new tables, by the first byte of their memory.
var staged sync.Map

// isTable reports whether a new file is written once and whole. Logs are not.
func isTable(name string) bool { return strings.HasSuffix(name, ".sst") }

// stage gives a new file its blocks, and memory of the process' own.
func stage(fd *os.File, sz int) (*MmapFile, error) {
	if err := reserve(fd, sz); err != nil {
		return nil, err
	}
	data, err := memory(sz)
	if err != nil {
		return nil, errors.Join(err, errors.New("memory for a table"))
	}
	staged.Store(&data[0], fd)
	return &MmapFile{Data: data, Fd: fd}, NewFile
}

// unstage is the file of memory that was not written yet, if b is such. It is forgotten.
func unstage(b []byte) *os.File {
	if len(b) == 0 {
		return nil
	}
	fd, ok := staged.LoadAndDelete(&b[0])
	if !ok {
		return nil
	}
	return fd.(*os.File)
}
