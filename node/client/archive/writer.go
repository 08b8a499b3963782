package archive

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"

	"kvs/node/api"
)

// Writer writes an archive. It is for one goroutine.
type Writer struct {
	w       io.Writer
	block   []byte // content that is not written yet.
	sum     hash.Hash
	last    string // path.
	end     End
	written int64
}

// NewWriter begins an archive.
func NewWriter(w io.Writer, h Head) (*Writer, error) {
	out := &Writer{w: w, sum: sha256.New()}
	h.Format = Format
	if err := out.write(magic[:]); err != nil {
		return nil, err
	}
	content, err := marshal(h)
	if err != nil {
		return nil, err
	}
	return out, out.put(kindHead, content)
}

func (w *Writer) write(b []byte) error {
	n, err := w.w.Write(b)
	w.written += int64(n)
	return err
}

func (w *Writer) put(kind byte, content []byte) error {
	if len(content) > contentBytesMax {
		return fmt.Errorf("archive: a block of %d bytes", len(content))
	}
	w.sum.Write(content)
	return w.write(pack(kind, content))
}

// Add adds a value. Paths have to come in byte order.
func (w *Writer) Add(e *api.Entry) error {
	if e.Path <= w.last {
		return fmt.Errorf("archive: %q comes after %q: the listing is out of order", e.Path, w.last)
	}
	line, err := marshal(e)
	if err != nil {
		return err
	}
	if len(w.block) > 0 && len(w.block)+len(line) > blockBytes {
		if err := w.Flush(); err != nil {
			return err
		}
	}
	w.block = append(w.block, line...)
	w.last = e.Path
	w.end.Values++
	w.end.Bytes += int64(api.ValueBytes(e.Text, e.Base64))
	return nil
}

// Flush writes what has been added. What is on the disk then is kept by Resume.
func (w *Writer) Flush() error {
	if len(w.block) == 0 {
		return nil
	}
	content := w.block
	w.block = w.block[:0]
	return w.put(kindValues, content)
}

// Close ends the archive, which is not whole without that.
func (w *Writer) Close(at time.Time) (End, error) {
	if err := w.Flush(); err != nil {
		return w.end, err
	}
	w.end.Ended, w.end.SHA256 = at.UTC(), hex.EncodeToString(w.sum.Sum(nil))
	content, err := marshal(w.end)
	if err != nil {
		return w.end, err
	}
	return w.end, w.put(kindEnd, content)
}

// Values is how many have been added, and Written the bytes of the archive so far.
func (w *Writer) Values() int    { return w.end.Values }
func (w *Writer) Written() int64 { return w.written }

// File is what Resume needs of a file.
type File interface {
	io.ReadWriteSeeker
	Truncate(size int64) error
}

// ErrWhole is an archive that has its end: there is nothing to resume.
var ErrWhole = errors.New("the archive is whole")

// Resume goes on with an archive that was cut off: it reads what is whole, cuts off what comes after it, and returns
// the last path that is kept. Damage in the middle is an error as in reading.
func Resume(f File) (w *Writer, h Head, last string, err error) {
	r, err := NewReader(f)
	if err != nil {
		return nil, h, "", err
	}
	w = &Writer{w: f, sum: r.sum}
	for {
		_, err := r.Next()
		var broken *Damage
		switch {
		case errors.Is(err, io.EOF):
			return nil, r.Head, "", ErrWhole
		case errors.As(err, &broken) && broken.Truncated:
			// what was checked last is whole: Next gives a block only then.
			w.written, w.last, w.end = broken.Offset, r.last, End{Values: r.read.Values, Bytes: r.read.Bytes}
			if err := f.Truncate(broken.Offset); err != nil {
				return nil, r.Head, "", err
			}
			_, err = f.Seek(broken.Offset, io.SeekStart)
			return w, r.Head, r.last, err
		case err != nil:
			return nil, r.Head, "", err
		}
	}
}
