package archive

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"

	"kvs/node/api"
	"kvs/node/api/decode"
)

// Damage is where and how an archive is broken.
type Damage struct {
	Block     int    // number, the head is 0.
	Offset    int64  // of the block in the file.
	After     string // the last path before it; empty: none.
	Truncated bool   // the file ends there.
	Why       string
}

func (d *Damage) Error() string {
	after := ""
	if d.After != "" {
		after = fmt.Sprintf(", after the path %q", d.After)
	}
	return fmt.Sprintf("the archive is damaged in block %d at byte %d%s: %s", d.Block, d.Offset, after, d.Why)
}

// ErrNoArchive is a file of another kind.
var ErrNoArchive = errors.New("this is no archive of kvs")

// Reader reads an archive, and checks all of it on the way. It is for one goroutine.
type Reader struct {
	Head Head
	End  End // when Next has returned io.EOF.

	r      io.Reader
	sum    hash.Hash
	ready  []*api.Entry // of the block that is being read.
	block  int          // the next one.
	offset int64        // of it,
	size   int64        // and how long it is.
	last   string
	read   End
}

// NewReader reads the head.
func NewReader(r io.Reader) (*Reader, error) {
	var begin [8]byte
	if _, err := io.ReadFull(r, begin[:]); err != nil || !bytes.Equal(begin[:7], magic[:7]) {
		return nil, ErrNoArchive
	}
	if begin[7] != Format {
		return nil, fmt.Errorf("the archive has format %d, and this kvs knows format %d", begin[7], Format)
	}
	out := &Reader{r: r, sum: sha256.New(), offset: int64(len(magic))}
	kind, content, err := out.next()
	if err != nil {
		return nil, err
	}
	if kind != kindHead {
		return nil, out.damage(false, "it does not begin with a head")
	}
	if err := json.Unmarshal(content, &out.Head); err != nil {
		return nil, out.damage(false, "the head: "+err.Error())
	}
	out.pass(content)
	return out, nil
}

func (r *Reader) damage(truncated bool, why string) error {
	return &Damage{Block: r.block, Offset: r.offset, After: r.last, Truncated: truncated, Why: why}
}

// next reads a block, and stays before it.
func (r *Reader) next() (kind byte, content []byte, err error) {
	var frame [frameBytes]byte
	if n, err := io.ReadFull(r.r, frame[:]); err != nil {
		if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return 0, nil, err
		}
		return 0, nil, r.damage(true, fmt.Sprintf("the file ends there, %d bytes into a block, and its end is missing",
			n))
	}
	stored, unpacked := binary.LittleEndian.Uint32(frame[1:]), binary.LittleEndian.Uint32(frame[5:])
	if stored > contentBytesMax || unpacked > contentBytesMax {
		return 0, nil, r.damage(false, "its lengths make no sense")
	}
	var packed bytes.Buffer // it grows with what is there, not with what the frame announces.
	n, err := io.CopyN(&packed, r.r, int64(stored))
	switch {
	case errors.Is(err, io.EOF):
		return 0, nil, r.damage(true, fmt.Sprintf("the file ends there: the block has %d of %d bytes", n, stored))
	case err != nil:
		return 0, nil, err
	}
	sum := crc32.Update(crc32.Checksum(frame[:9], castagnoli), castagnoli, packed.Bytes())
	if sum != binary.LittleEndian.Uint32(frame[9:]) {
		return 0, nil, r.damage(false, "its checksum is wrong")
	}
	content, err = decoder.DecodeAll(packed.Bytes(), nil)
	if err != nil || len(content) != int(unpacked) {
		return 0, nil, r.damage(false, "it cannot be unpacked")
	}
	r.size = frameBytes + int64(stored)
	return frame[0], content, nil
}

// pass goes on to the block after the one whose content this is.
func (r *Reader) pass(content []byte) {
	r.sum.Write(content)
	r.block++
	r.offset += r.size
}

// Next returns the next value, which the caller may keep; io.EOF after the last one of a whole archive.
func (r *Reader) Next() (*api.Entry, error) {
	for len(r.ready) == 0 {
		if err := r.nextBlock(); err != nil {
			return nil, err
		}
	}
	e := r.ready[0]
	r.ready[0], r.ready = nil, r.ready[1:]
	return e, nil
}

// nextBlock reads a block of values, and checks all of it before anything of it is used.
func (r *Reader) nextBlock() error {
	kind, content, err := r.next()
	if err != nil {
		return err
	}
	switch kind {
	case kindValues:
		entries, err := r.check(content)
		if err != nil {
			return err
		}
		r.pass(content)
		r.ready = entries
		return nil
	case kindEnd:
		return r.finish(content)
	}
	return r.damage(false, fmt.Sprintf("a block of kind %q is not known", kind))
}

// check reads the values of a block, and counts them.
func (r *Reader) check(content []byte) (entries []*api.Entry, err error) {
	last, read := r.last, r.read
	if len(content) == 0 || content[len(content)-1] != '\n' {
		return nil, r.damage(false, "its last line has no end")
	}
	for line := range bytes.Lines(content) {
		e := new(api.Entry)
		switch err := decode.JSON(line, e); {
		case err != nil:
			return nil, r.damage(false, "a value cannot be read: "+err.Error())
		case e.Path <= last:
			return nil, r.damage(false, fmt.Sprintf("%q comes after %q", e.Path, last))
		}
		last = e.Path
		read.Values++
		read.Bytes += int64(api.ValueBytes(e.Text, e.Base64))
		entries = append(entries, e)
	}
	r.last, r.read = last, read
	return entries, nil
}

// finish compares what was read with what the end says.
func (r *Reader) finish(content []byte) error {
	var end End
	if err := json.Unmarshal(content, &end); err != nil {
		return r.damage(false, "the end: "+err.Error())
	}
	sum := hex.EncodeToString(r.sum.Sum(nil))
	if end.Values != r.read.Values || end.Bytes != r.read.Bytes || end.SHA256 != sum {
		return r.damage(false, fmt.Sprintf("the end says %d values, %d bytes, checksum %s; read were %d, %d, %s",
			end.Values, end.Bytes, end.SHA256, r.read.Values, r.read.Bytes, sum))
	}
	r.pass(content)
	var more [1]byte
	if _, err := io.ReadFull(r.r, more[:]); !errors.Is(err, io.EOF) {
		return r.damage(false, "there is more behind the end")
	}
	r.End = end
	return io.EOF
}
