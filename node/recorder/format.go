package recorder

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"kvs/node"
	"kvs/node/codec"
)

// Format is the version of the format. A reader refuses any other one: a recording is only for the program that made
// it. Format 1 had no result of the check before the values were replaced.
const Format = 2

// A recording is a series of records, each
//
//	length of the content   u32
//	CRC-32C of the content  u32
//	content                 its first byte is the kind
//
// Numbers are little-endian; "number" is a varint without sign, "text" and "bytes" are a number of bytes and these.
//
//	kind 1, head: a segment begins
//	  "kvs-recording"   13 bytes
//	  format            u8: 2
//	  hashed            u8: 1 if the values are hashes, else 0, and the next four fields are not there
//	  steps, effects    number, number: of the whole recording, the same when run again before values were replaced
//	  differs           u8: 1 if a step came then that was not
//	  ended             text: why the recording ends before that; empty: it does not end early
//	  version           text, of the program
//	  revision          text: the commit of which it was built; empty: not known
//	  toolchain         text: the Go that built it
//	  layout            u64: a hash of the types of the state
//	  name, cluster     text, text
//	  member            u64: the ID
//	  boots             number: starts of the member, this one included
//	  step              number of the step that follows
//	  wall              number: milliseconds since the Unix epoch
//	  mono              number: nanoseconds
//	  randomness        bytes: state of the generator, as its MarshalBinary gives it
//	  image             bytes, to the end
//
//	kind 2, step
//	  step              number, one more than that of the step before
//	  wall, mono        as above
//	  input             see input.go
//	  reads             see tap.go
//	  ended             u8: 1, or 0 if the core panicked; then nothing follows
//	  effects           to the end, see marks.go
//
//	kind 3, level: lines of the log below this level are not made from now on
//	  level             u8, as an int8
const (
	kindHead  = 1
	kindStep  = 2
	kindLevel = 3

	magic       = "kvs-recording"
	headerBytes = 8
)

// RecordBytesMax bounds one record, and thereby a whole image.
const RecordBytesMax = 1 << 30

// Head begins a segment.
type Head struct {
	Hashed     *Checked // the values are hashes; nil: they are the values.
	Build      Build
	Name       string
	Cluster    string
	Member     node.ID
	Boots      uint64
	Step       uint64
	Time       node.Time
	Randomness []byte
	Image      []byte
}

// Checked is what was found out about a recording before its values were replaced. Afterwards its effects are those
// that the core has with the hashes, which say nothing about those that the node had.
type Checked struct {
	Steps   uint64 // run again with the values, with the effects that were recorded,
	Effects uint64 // and so many of these.
	Differs bool   // the next step had other effects.
	Ended   string // why the recording ends there although more was recorded, in words. Empty: it is all there was.
}

// Build says which program made a recording.
type Build struct {
	Version   string // of the release.
	Revision  string // the commit; empty: not known.
	Toolchain string // the version of Go.
	Layout    uint64 // node.ImageLayout.
}

// ErrFormat is wrapped by errors of what is no recording, or one of another version of the format.
var ErrFormat = errors.New("not a recording that this program can read")

// frame closes a record whose content begins at headerBytes of b.
func frame(b []byte) []byte {
	content := b[headerBytes:]
	binary.LittleEndian.PutUint32(b, uint32(len(content)))
	binary.LittleEndian.PutUint32(b[4:], crc32.Checksum(content, codec.Castagnoli))
	return b
}

// AppendHead appends a whole record with a head.
func AppendHead(b []byte, h *Head) []byte {
	at := len(b)
	b = append(b, make([]byte, headerBytes)...)
	b = append(b, kindHead)
	b = append(b, magic...)
	b = append(b, Format)
	b = codec.AppendBool(b, h.Hashed != nil)
	if c := h.Hashed; c != nil {
		b = binary.AppendUvarint(binary.AppendUvarint(b, c.Steps), c.Effects)
		b = appendText(codec.AppendBool(b, c.Differs), c.Ended)
	}
	for _, s := range [...]string{h.Build.Version, h.Build.Revision, h.Build.Toolchain} {
		b = appendText(b, s)
	}
	b = binary.LittleEndian.AppendUint64(b, h.Build.Layout)
	b = appendText(appendText(b, h.Name), h.Cluster)
	b = binary.LittleEndian.AppendUint64(b, uint64(h.Member))
	b = binary.AppendUvarint(b, h.Boots)
	b = binary.AppendUvarint(b, h.Step)
	b = appendTime(b, h.Time)
	b = appendBytes(b, h.Randomness)
	b = append(b, h.Image...)
	frame(b[at:])
	return b
}

func decodeHead(content []byte) (*Head, error) {
	r := &fields{Reader: codec.Read(content)}
	if string(r.Take(len(magic))) != magic {
		return nil, fmt.Errorf("%w: it does not begin as one", ErrFormat)
	}
	if format := r.U8(); format != Format {
		return nil, fmt.Errorf("%w: it has format %d, this program reads %d: use the kvsim of the release that made it",
			ErrFormat, format, Format)
	}
	h := &Head{}
	if r.Bool() {
		h.Hashed = &Checked{Steps: r.number(), Effects: r.number(), Differs: r.Bool(), Ended: r.text()}
	}
	h.Build = Build{Version: r.text(), Revision: r.text(), Toolchain: r.text(), Layout: r.U64()}
	h.Name, h.Cluster = r.text(), r.text()
	h.Member, h.Boots, h.Step = node.ID(r.U64()), r.number(), r.number()
	h.Time = r.time()
	h.Randomness = r.bytes()
	h.Image = r.Rest()
	if r.Failed() {
		return nil, fmt.Errorf("%w: its head is cut short", ErrFormat)
	}
	return h, nil
}

// Step is one step of the core.
type Step struct {
	Number  uint64
	Time    node.Time
	Input   node.Input
	Reads   []Read
	Broke   bool   // the core panicked.
	Effects []byte // marks, see AppendMarks and Marks.
}

// Record is one record: one of its fields is set, or Level is what the record says.
type Record struct {
	Head    *Head
	Step    *Step
	Level   node.LogLevel
	Content []byte // of the whole record, for a copy of it.
}

// Reader reads a recording front to back.
type Reader struct {
	r    io.Reader
	read int64
}

// NewReader returns a Reader of r, which should be buffered.
func NewReader(r io.Reader) *Reader { return &Reader{r: r} }

// Bytes is how much of the recording has been read, in whole records.
func (r *Reader) Bytes() int64 { return r.read }

// ErrTorn is wrapped by the error of a record that is not whole: a process that is killed leaves one at the end.
var ErrTorn = errors.New("the rest of the recording is torn")

// Next returns the next record; io.EOF: there is none.
func (r *Reader) Next() (*Record, error) {
	var header [headerBytes]byte
	n, err := io.ReadFull(r.r, header[:])
	if err == io.EOF {
		return nil, io.EOF
	}
	if err == nil {
		if size := binary.LittleEndian.Uint32(header[:]); size == 0 || size > RecordBytesMax {
			err = io.ErrUnexpectedEOF
		}
	}
	if err != nil {
		return nil, r.torn(err)
	}
	content, err := readExactly(r.r, int(binary.LittleEndian.Uint32(header[:])))
	if err != nil {
		return nil, r.torn(err)
	}
	if crc32.Checksum(content, codec.Castagnoli) != binary.LittleEndian.Uint32(header[4:]) {
		return nil, r.torn(errors.New("a checksum is wrong"))
	}
	r.read += int64(n + len(content))
	return decode(content)
}

// readExactly reads size bytes, and takes no memory for what is not there.
func readExactly(from io.Reader, size int) ([]byte, error) {
	const piece = 1 << 20
	out := make([]byte, 0, min(size, piece))
	for len(out) < size {
		at := len(out)
		out = append(out, make([]byte, min(size-at, piece))...)
		if _, err := io.ReadFull(from, out[at:]); err != nil {
			return nil, io.ErrUnexpectedEOF
		}
	}
	return out, nil
}

func (r *Reader) torn(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = errors.New("it ends within a record")
	}
	if r.read == 0 {
		return fmt.Errorf("%w: it does not begin as one", ErrFormat)
	}
	return fmt.Errorf("%w after %d bytes: %w", ErrTorn, r.read, err)
}

func decode(content []byte) (*Record, error) {
	rec := &Record{Content: content}
	var err error
	switch content[0] {
	case kindHead:
		rec.Head, err = decodeHead(content[1:])
	case kindStep:
		rec.Step, err = decodeStep(content[1:])
	case kindLevel:
		if len(content) != 2 {
			return nil, fmt.Errorf("%w: a record of a level has %d bytes", ErrFormat, len(content))
		}
		rec.Level = node.LogLevel(int8(content[1]))
	default:
		err = fmt.Errorf("%w: it has a record of kind %d", ErrFormat, content[0])
	}
	return rec, err
}

func decodeStep(content []byte) (*Step, error) {
	r := &fields{Reader: codec.Read(content)}
	s := &Step{Number: r.number(), Time: r.time()}
	s.Input = r.input()
	s.Reads = r.reads()
	if ended := r.Bool(); !ended {
		s.Broke = true
		r.FailIf(r.Len() > 0)
	}
	s.Effects = r.Rest()
	if r.Failed() {
		return nil, fmt.Errorf("%w: its step %d is not as a step is written", ErrFormat, s.Number)
	}
	return s, nil
}

// AppendStep appends a whole record with a step.
func AppendStep(b []byte, s *Step) []byte {
	at := len(b)
	b = append(b, make([]byte, headerBytes)...)
	b = appendStepBegin(b, s.Number, s.Time, s.Input)
	for i := range s.Reads {
		b = appendRead(b, &s.Reads[i])
	}
	b = append(b, readsEnd)
	b = codec.AppendBool(b, !s.Broke)
	b = append(b, s.Effects...)
	frame(b[at:])
	return b
}

func appendStepBegin(b []byte, number uint64, now node.Time, in node.Input) []byte {
	b = append(b, kindStep)
	b = binary.AppendUvarint(b, number)
	b = appendTime(b, now)
	return appendInput(b, in)
}

// AppendLevel appends a whole record with a level.
func AppendLevel(b []byte, level node.LogLevel) []byte {
	at := len(b)
	b = append(b, make([]byte, headerBytes)...)
	b = append(b, kindLevel, byte(level))
	frame(b[at:])
	return b
}
