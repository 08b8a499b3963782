package ring

import (
	"errors"
	"io"
	"time"
)

// ErrNothing means that nothing has been recorded for the time that was asked for.
var ErrNothing = errors.New("nothing is recorded")

// Piece is a part of a recording. It is read, and closed; what the ring drops meanwhile stays in it.
type Piece struct {
	parts []opened
	now   int   // the part that is being read,
	read  int64 // and how much of it has been.
	bytes int64
	From  time.Time // of its first segment, by the clock of the node.
}

// Cut returns what was recorded since a moment, by the clock of the node, and before that as much as is needed to
// begin: segments are whole. What was recorded until now is in it.
func (r *Ring) Cut(since time.Time) (*Piece, error) {
	r.Flush()
	return r.folder.cut(since)
}

// Cut is Ring.Cut for the folder of a node that does not run.
func Cut(dir string, since time.Time) (*Piece, error) {
	var f folder
	if err := f.open(dir, 0); err != nil {
		return nil, err
	}
	return f.cut(since)
}

func (f *folder) cut(since time.Time) (*Piece, error) {
	all, err := f.openAll()
	if err != nil {
		return nil, err
	}
	first := 0
	for i := range all {
		if all[i].head.Time.Wall <= since.UnixMilli() {
			first = i
		}
	}
	closeAll(all[:first])
	p := &Piece{parts: all[first:]}
	if len(p.parts) == 0 {
		return nil, ErrNothing
	}
	for _, o := range p.parts {
		p.bytes += o.bytes
	}
	p.From = time.UnixMilli(p.parts[0].head.Time.Wall)
	return p, nil
}

// Len is the number of bytes of the piece.
func (p *Piece) Len() int64 { return p.bytes }

// Read implements io.Reader.
func (p *Piece) Read(b []byte) (int, error) {
	for p.now < len(p.parts) {
		o := &p.parts[p.now]
		if p.read == o.bytes {
			p.now, p.read = p.now+1, 0
			continue
		}
		n, err := o.file.ReadAt(b[:min(int64(len(b)), o.bytes-p.read)], p.read)
		p.read += int64(n)
		if n > 0 || err != nil && err != io.EOF {
			return n, err
		}
		if err == io.EOF {
			return 0, io.ErrUnexpectedEOF
		}
	}
	return 0, io.EOF
}

// Rewind goes back to the beginning.
func (p *Piece) Rewind() error {
	p.now, p.read = 0, 0
	return nil
}

// Close implements io.Closer.
func (p *Piece) Close() error {
	closeAll(p.parts)
	p.parts = nil
	return nil
}
