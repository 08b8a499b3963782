package transport

import (
	"encoding/binary"
	"errors"
	"fmt"

	"kvs/node"
)

// A batch, format 1, is the body of one POST. Integers are little-endian.
//
//	0     format version, 1
//	then, one to batchFramesMax times:
//	0-3   length of the frame, 1 to node.FrameBytesMax
//	4-    the frame
//
// A receiver refuses a batch of an unknown format; the sender logs that answer.
const (
	batchFormat    = 1
	batchHeader    = 1
	frameHeader    = 4
	batchFramesMax = 4096
	batchBytesGoal = 4 << 20 // a batch takes no further frame beyond this,
)

// BatchBytesMax bounds a batch: a server has to accept bodies of this size. One frame of the largest size has to fit.
const BatchBytesMax = batchHeader + frameHeader + node.FrameBytesMax

// Path is the route for batches of peers.
const Path = "/peer/v1/frames"

// ErrBadBatch is wrapped by DecodeBatch's errors.
var ErrBadBatch = errors.New("bad batch of frames")

// appendBatch encodes frames, at least one, as one body.
func appendBatch(b []byte, frames [][]byte) []byte {
	b = append(b, batchFormat)
	for _, f := range frames {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(f)))
		b = append(b, f...)
	}
	return b
}

// DecodeBatch decodes a body. The frames are copies: body may be used again at once, and keeping one frame does not
// keep the others. Nothing is allocated before the whole body has been checked.
func DecodeBatch(body []byte) ([][]byte, error) {
	count, err := checkBatch(body)
	if err != nil {
		return nil, err
	}
	frames := make([][]byte, 0, count)
	for rest := body[batchHeader:]; len(rest) > 0; {
		n := int(binary.LittleEndian.Uint32(rest))
		frames = append(frames, append(make([]byte, 0, n), rest[frameHeader:frameHeader+n]...))
		rest = rest[frameHeader+n:]
	}
	return frames, nil
}

func checkBatch(body []byte) (frames int, err error) {
	switch {
	case len(body) == 0:
		return 0, fmt.Errorf("%w: it is empty", ErrBadBatch)
	case len(body) > BatchBytesMax:
		return 0, fmt.Errorf("%w: %d bytes, the limit is %d", ErrBadBatch, len(body), BatchBytesMax)
	case body[0] != batchFormat:
		return 0, fmt.Errorf("%w: format %d is unknown to this version of kvs, which uses %d", ErrBadBatch, body[0],
			batchFormat)
	}
	for rest := body[batchHeader:]; len(rest) > 0; frames++ {
		if len(rest) < frameHeader {
			return 0, fmt.Errorf("%w: %d bytes after frame %d", ErrBadBatch, len(rest), frames)
		}
		n := uint64(binary.LittleEndian.Uint32(rest))
		if n == 0 || n > node.FrameBytesMax || n > uint64(len(rest)-frameHeader) {
			return 0, fmt.Errorf("%w: frame %d claims %d bytes, %d are left", ErrBadBatch, frames, n,
				len(rest)-frameHeader)
		}
		rest = rest[frameHeader+n:]
	}
	if frames == 0 || frames > batchFramesMax {
		return 0, fmt.Errorf("%w: %d frames, want 1 to %d", ErrBadBatch, frames, batchFramesMax)
	}
	return frames, nil
}
