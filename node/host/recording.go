package host

import (
	"context"
	crand "crypto/rand"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"kvs/node/hashed"
	"kvs/node/host/metrics"
	"kvs/node/host/rest/recordings"
	"kvs/node/host/ring"
	"kvs/node/recorder"
	"kvs/node/relive"
)

// recording is the flight recorder of a node. A nil recording is off.
type recording struct {
	ring  *ring.Ring         // nil: it could not be opened.
	core  *recorder.Recorder // the loop's own.
	state atomic.Uint32      // recorder.State, and
	why   atomic.Pointer[string]
	gaps  atomic.Uint64

	build   recorder.Build // of this program.
	hashing sync.Mutex     // values are being replaced.
}

// openRecording makes the recorder, if the configuration wants one. A recorder that cannot be had does not keep the
// node from starting.
func (h *Host) openRecording(by recorder.Build, random *rand.ChaCha8, undo *cleanup) (*recording, error) {
	if h.cfg.Recorder.RingBytesMax == 0 {
		return nil, nil
	}
	o := ring.Options{Dir: filepath.Join(h.cfg.DataDir, ring.Dir), BytesMax: int64(h.cfg.Recorder.RingBytesMax),
		Logger: h.logger}
	r := &recording{build: by}
	kept, err := ring.Open(o)
	if err != nil {
		r.fail(err)
		h.logger.Error("nothing is recorded: the node itself goes on", "error", err)
		return r, nil
	}
	r.ring = kept
	undo.add(kept.Close)
	r.core, err = recorder.New(recorder.Options{
		Sink: kept, SegmentBytes: o.SegmentBytes(), ImageBytesMax: o.ImageBytesMax(), Randomness: random,
		RecordBytesMax: o.SegmentBytes(), Build: by, Name: h.cfg.Name, Cluster: h.cfg.Cluster,
	})
	return r, err
}

// build is what recordings say of this program.
func (o *Options) build() recorder.Build {
	return recorder.Build{Version: o.Version, Revision: o.Commit, Toolchain: runtime.Version()}
}

func (r *recording) fail(err error) {
	text := err.Error()
	r.why.Store(&text)
	r.state.Store(uint32(recorder.Failed))
}

// publish makes the state of the loop's recorder visible to others.
func (r *recording) publish() {
	state, why := r.core.State()
	if uint32(state) != r.state.Load() {
		text := ""
		if why != nil {
			text = why.Error()
		}
		r.why.Store(&text)
		r.state.Store(uint32(state))
	}
	r.gaps.Store(r.core.Gaps())
}

// status is what a node says about its recorder: the state, and what is wrong; empty: all is well.
func (r *recording) status() (state, warning string) {
	if r == nil {
		return "", ""
	}
	now := recorder.State(r.state.Load())
	if r.ring != nil {
		if failure := r.ring.Status().Failure; failure != nil {
			return recorder.Failed.String(), fmt.Sprintf("nothing is recorded any more: %v: see to the disk, then "+
				"restart the node", failure)
		}
	}
	why := ""
	if text := r.why.Load(); text != nil {
		why = *text
	}
	switch now {
	case recorder.TooLarge:
		return now.String(), fmt.Sprintf("nothing is recorded at the moment: %s: it goes on when less is waiting for "+
			"members that are away; a larger recorder.ring_bytes_max takes a larger state", why)
	case recorder.Failed:
		return now.String(), "nothing is recorded: " + why
	}
	return now.String(), ""
}

// numbers are those for the metrics; nil: there is no recorder.
func (r *recording) numbers() *metrics.Recorder {
	if r == nil {
		return nil
	}
	out := &metrics.Recorder{On: recorder.State(r.state.Load()) == recorder.Recording, Gaps: r.gaps.Load()}
	if r.ring != nil {
		s := r.ring.Status()
		out.Bytes, out.Written = s.Bytes, s.Taken
		out.On = out.On && s.Failure == nil
	}
	return out
}

// ErrNotRecorded means that a node has no recorder.
var ErrNotRecorded = errors.New("this node records nothing: set recorder.ring_bytes_max in its configuration, and " +
	"restart it")

// Recording cuts what was recorded of the last time out of the ring, with its number of bytes. Hashed: with hashes in
// place of values, which takes a while: the whole piece is run again, twice. Errors wrap those of recordings, or mean
// that there is no such recording.
func (h *Host) Recording(ctx context.Context, last time.Duration, hash bool) (io.ReadCloser, int64, error) {
	if h.recording == nil || h.recording.ring == nil {
		return nil, 0, ErrNotRecorded
	}
	p, err := h.recording.ring.Cut(time.UnixMilli(h.clock.Wall()).Add(-last))
	if err != nil {
		return nil, 0, err
	}
	if hash {
		return h.recording.hash(ctx, p, h.cfg.DataDir)
	}
	return p, p.Len(), nil
}

// hash replaces the values in a piece, which it closes, one piece at a time. The answer has to be known to be right
// before its first byte is sent, so it goes to a file, which has no name any more when it is read.
func (r *recording) hash(ctx context.Context, p *ring.Piece, dataDir string) (_ io.ReadCloser, size int64, err error) {
	defer p.Close()
	if !r.hashing.TryLock() {
		return nil, 0, recordings.ErrBusy
	}
	defer r.hashing.Unlock()
	o := hashed.Options{Build: r.build}
	if _, err := crand.Read(o.Salt[:]); err != nil {
		return nil, 0, fmt.Errorf("%w: randomness: %w", recordings.ErrFailed, err)
	}
	out, err := os.CreateTemp(filepath.Join(dataDir, ring.Dir), "hashed-")
	if err == nil {
		err = os.Remove(out.Name())
	}
	if err != nil {
		return nil, 0, fmt.Errorf("%w: %w", recordings.ErrFailed, err)
	}
	defer func() {
		if err != nil {
			_ = out.Close()
		}
	}()
	switch _, err := hashed.Write(out, &untilDone{p, ctx}, o); {
	case ctx.Err() != nil:
		return nil, 0, fmt.Errorf("%w: %w", recordings.ErrFailed, ctx.Err())
	case errors.Is(err, relive.ErrBuild):
		return nil, 0, err
	case err != nil:
		return nil, 0, fmt.Errorf("%w: %w", recordings.ErrFailed, err)
	}
	if size, err = out.Seek(0, io.SeekCurrent); err == nil {
		_, err = out.Seek(0, io.SeekStart)
	}
	return out, size, err
}

// untilDone is a piece that ends with a context.
type untilDone struct {
	*ring.Piece
	ctx context.Context
}

// Read implements io.Reader.
func (u *untilDone) Read(b []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.Piece.Read(b)
}

// close writes down what is left.
func (r *recording) close() error {
	if r == nil || r.ring == nil {
		return nil
	}
	return r.ring.Close()
}
