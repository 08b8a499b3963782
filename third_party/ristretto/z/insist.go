/*
 * SPDX-FileCopyrightText: © the kvs authors
 * SPDX-License-Identifier: Apache-2.0
 */

package z

import (
	"errors"
	"os"
	"time"
)

// A compaction of Badger (v4.9.6, levels.go, subcompact) ignores the error of a table that it cannot make: it goes on
// without the records in that table, and removes the tables in which they were. So it never gets such an error here.

// Waiting, if it is set, is told that a table cannot be made, again and again, and when it can: then err is nil. It is
// to be set before any file is opened, and may be called by several goroutines at a time.
var Waiting func(name string, err error)

// Failed, if it is set, is told that the content of a mapped file did not reach the disk. The goroutine that wrote it
// never goes on. It is to be set like Waiting.
var Failed func(err error)

const insistEvery = 20 * time.Millisecond

// insist makes a table, whatever time that takes.
func insist(name string, flag, sz int) (*MmapFile, error) {
	for waited := false; ; waited = true {
		m, err := attempt(name, flag, sz)
		if err == nil || errors.Is(err, NewFile) {
			if waited && Waiting != nil {
				Waiting(name, nil)
			}
			return m, err
		}
		if Waiting != nil {
			Waiting(name, err)
		}
		time.Sleep(insistEvery)
	}
}

// attempt makes a table, or leaves nothing of it.
func attempt(name string, flag, sz int) (*MmapFile, error) {
	fd, err := os.OpenFile(name, flag, 0666)
	if err != nil {
		return nil, err
	}
	var m *MmapFile
	if stages && sz > 0 && isTable(name) {
		m, err = stage(fd, sz)
	} else {
		m, err = OpenMmapFileUsing(fd, sz, true)
	}
	if err != nil && !errors.Is(err, NewFile) {
		_ = fd.Close()
		_ = os.Remove(name)
	}
	return m, err
}

// failed never returns.
func failed(err error) {
	if Failed != nil {
		Failed(err)
	}
	select {}
}
