//go:build !linux

/*
 * SPDX-FileCopyrightText: © the kvs authors
 * SPDX-License-Identifier: Apache-2.0
 */

package z

import "os"

func allocate(fd *os.File, sz int64) error { return zeros(fd, sz) }
