package sim

import (
	"fmt"

	"kvs/node"
)

// session checks what a client that stays with one replica relies on: it reads its own writes, and reads never go back,
// crashes included. One disk that has shown a version of a path, or acknowledged it, shows one at least as high from then on.
// Only the loss of the disk ends that.
func (w *world) session(r *replica, path string, v node.Version) {
	before := r.shown[path]
	switch {
	case v.TS == 0 && before.TS > 0 && w.ends.hasEnded(r.number, path, before.TS): // it shows what the tombstone showed.
	case v.TS < before.TS: // among equal timestamps the winner may change as votes become known.
		w.violate(Violation{Promise: promiseSession, Node: r.number, Path: path,
			Detail: fmt.Sprintf("shows version %s after %s", v.ETag(), before.ETag())})
	default:
		r.shown[path] = v
	}
}
