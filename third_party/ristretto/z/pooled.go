/*
 * SPDX-FileCopyrightText: © the kvs authors
 * SPDX-License-Identifier: Apache-2.0
 */

package z

// pooledMax bounds the allocators that a pool keeps while they are not in use. Badger has a pool for the tables that it
// builds, of eight, each of which had the memory of the largest table that it was ever used for.
const pooledMax = 4

// trim gives back all memory but that which the allocator was made with.
func (a *Allocator) trim() {
	for i := 1; i < len(a.buffers) && len(a.buffers[i]) > 0; i++ {
		Free(a.buffers[i])
		a.buffers[i] = nil
	}
}
