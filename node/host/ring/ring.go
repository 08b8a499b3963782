package ring

import (
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"kvs/node"
)

// Dir is the folder of a ring in a data folder.
const Dir = "recorder"

// Bounds.
const (
	BytesMin      = 16 << 20 // of a ring.
	segments      = 8        // about, in a ring.
	pendingMax    = 8 << 20  // in memory, beside one head.
	flushAt       = 256 << 10
	flushInterval = 100 * time.Millisecond
)

// Options of Open. All are required.
type Options struct {
	Dir      string
	BytesMax int64 // of all files; at least BytesMin.
	Logger   *slog.Logger
}

// SegmentBytes is how much a recorder should put into a segment beside its image.
func (o *Options) SegmentBytes() int { return int(o.BytesMax / segments) }

// ImageBytesMax is the largest image for which there is room.
func (o *Options) ImageBytesMax() int { return int(o.BytesMax / 4) }

// Ring implements recorder.Sink. Begin, Append and Flush are for one goroutine, the others are safe for concurrent use.
type Ring struct {
	o Options

	mu      sync.Mutex
	pending []byte
	begins  []int // where segments begin in pending.
	written sync.Cond
	taken   uint64 // bytes that were taken in,
	out     uint64 // and those of them that are in files.
	refused uint64 // records that were not taken in.
	failure error  // why nothing is written any more; nil: all is well.
	closed  bool

	wake  chan struct{} // capacity one.
	done  chan struct{}
	spare []byte // the other buffer.
	folder
}

// Open makes a ring of a folder, which it makes too, and starts its goroutine. What former runs have recorded stays
// until its room is needed.
func Open(o Options) (*Ring, error) {
	if o.BytesMax < BytesMin {
		return nil, fmt.Errorf("recorder: a ring of %d bytes: use at least %d", o.BytesMax, BytesMin)
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("recorder: %w: see that the data folder is writable, or leave recorder out of the "+
			"configuration", err)
	}
	r := &Ring{o: o, wake: make(chan struct{}, 1), done: make(chan struct{})}
	r.written.L = &r.mu
	if err := r.folder.open(o.Dir, o.BytesMax); err != nil {
		return nil, err
	}
	go r.run()
	return r, nil
}

// Begin implements recorder.Sink.
func (r *Ring) Begin(head []byte, _ node.Time) bool { return r.take(head, true) }

// Append implements recorder.Sink.
func (r *Ring) Append(record []byte, _ node.Time) bool { return r.take(record, false) }

func (r *Ring) take(record []byte, begins bool) bool {
	r.mu.Lock()
	full := len(r.pending)+len(record) > pendingMax && (!begins || len(r.pending) > 0)
	if r.failure != nil || r.closed || full {
		r.refused++
		r.mu.Unlock()
		return false
	}
	if begins {
		r.begins = append(r.begins, len(r.pending))
	}
	before := len(r.pending)
	r.pending = append(r.pending, record...)
	r.taken += uint64(len(record))
	wake := before < flushAt && len(r.pending) >= flushAt
	r.mu.Unlock()
	if wake {
		r.poke()
	}
	return true
}

func (r *Ring) poke() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Flush implements recorder.Sink: it returns when everything taken in is in its file, or cannot be.
func (r *Ring) Flush() {
	r.poke()
	r.mu.Lock()
	defer r.mu.Unlock()
	for want := r.taken; r.out < want && r.failure == nil; {
		r.written.Wait()
	}
}

// Status is what a node says about its ring.
type Status struct {
	Bytes   int64  // of the files.
	Taken   uint64 // bytes recorded in this run.
	Refused uint64 // records that the disk was too slow for.
	Failure error  // why recording has ended; nil: it has not.
}

// Status returns the present one.
func (r *Ring) Status() Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	return Status{Bytes: r.folder.size(), Taken: r.taken, Refused: r.refused, Failure: r.failure}
}

// Close writes what is left and ends the goroutine. Nothing is taken in any more.
func (r *Ring) Close() error {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.poke()
	<-r.done
	return r.folder.close()
}

// run is the goroutine that writes.
func (r *Ring) run() {
	defer close(r.done)
	ticker := time.NewTicker(flushInterval)
	defer ticker.Stop()
	for {
		select {
		case <-r.wake:
		case <-ticker.C:
		}
		if last := r.write(); last {
			return
		}
	}
}

// write writes what is pending; last: there will be no more.
func (r *Ring) write() (last bool) {
	r.mu.Lock()
	batch, begins := r.pending, r.begins
	r.pending, r.begins = r.spare[:0], nil
	last = r.closed
	failed := r.failure != nil
	r.mu.Unlock()
	var err error
	if !failed {
		err = r.folder.write(batch, begins)
	}
	const keptMax = 2 * flushAt
	if r.spare = batch; cap(batch) > keptMax {
		r.spare = nil
	}
	r.mu.Lock()
	r.out += uint64(len(batch))
	if err != nil {
		r.failure = err
	}
	r.written.Broadcast()
	r.mu.Unlock()
	if err != nil {
		r.o.Logger.Error("recording has ended until the next start: the node itself goes on",
			"dir", r.o.Dir, "error", err)
	}
	return last
}
