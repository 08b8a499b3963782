package recorder

import (
	"encoding"
	"errors"
	"time"

	"kvs/node"
	"kvs/node/codec"
	"kvs/node/contract"
)

// Sink takes the records of a recorder. It is called by the goroutine that steps the node.
type Sink interface {
	// Begin begins a segment with a record that holds its head. False: the sink cannot take it now.
	Begin(head []byte, now node.Time) bool
	// Append adds a record to the segment. False: the sink cannot take it, and the segment ends before it. The record
	// is only lent.
	Append(record []byte, now node.Time) bool
	// Flush returns when what was taken survives the end of the process.
	Flush()
}

// Defaults of Options.
const (
	ImageBytesMaxDefault  = 64 << 20
	RecordBytesMaxDefault = 16 << 20
	PauseDefault          = 10 * time.Second
)

// Options of New. Sink, SegmentBytes and Randomness are required.
type Options struct {
	Sink         Sink
	SegmentBytes int // a segment with steps of this size ends, and another one begins with a new image.
	// Randomness is the generator behind the node's Rand.
	Randomness encoding.BinaryMarshaler
	Build      Build
	Name       string // of the node,
	Cluster    string // and of its cluster.

	ImageBytesMax  int           // a larger state is not recorded. Default: ImageBytesMaxDefault.
	RecordBytesMax int           // a larger step ends the segment. Default: RecordBytesMaxDefault.
	Pause          time.Duration // before another try, when a segment could not begin. Default: PauseDefault.
}

// State says whether a recorder records.
type State uint8

// The states.
const (
	Recording State = iota
	Paused          // until the sink can take more.
	TooLarge        // the node's state is too large for an image: it is tried again after Options.Pause.
	Failed          // the image could not be made at all.
)

var stateNames = [...]string{"recording", "paused", "too_large", "failed"}

// String prints the state as in the status of a node.
func (s State) String() string { return stateNames[s] }

// Recorder stands between a world and a node. It belongs to the goroutine that steps the node.
type Recorder struct {
	o    Options
	node *node.Node

	state    State
	failure  error // why not, in every state but Recording and Paused.
	open     bool  // a segment is.
	bytes    int   // of its steps.
	retry    time.Duration
	number   uint64 // of the next step.
	gaps     uint64 // segments that ended early.
	buf      []byte // reused.
	image    []byte // reused.
	stepping bool
}

// New returns a recorder of a node that is not made yet: the node reads from Recorder.Store, and is given to
// Recorder.Record.
func New(o Options) (*Recorder, error) {
	if o.Sink == nil || o.SegmentBytes <= 0 || o.Randomness == nil {
		return nil, errors.New("recorder: a sink, the size of a segment and the source of randomness are required")
	}
	if o.ImageBytesMax == 0 {
		o.ImageBytesMax = ImageBytesMaxDefault
	}
	if o.RecordBytesMax == 0 {
		o.RecordBytesMax = RecordBytesMaxDefault
	}
	if o.Pause == 0 {
		o.Pause = PauseDefault
	}
	o.RecordBytesMax = min(o.RecordBytesMax, RecordBytesMax)
	o.Build.Layout = node.ImageLayout()
	return &Recorder{o: o, state: Paused}, nil
}

// Store wraps the store from which the node reads.
func (r *Recorder) Store(of contract.Reader) contract.Reader { return &tap{of: of, r: r} }

// Record begins with the next step of a node whose store is Recorder.Store.
func (r *Recorder) Record(n *node.Node) { r.node = n }

// State says whether the recorder records, and if it does not, why.
func (r *Recorder) State() (State, error) { return r.state, r.failure }

// Gaps is how many segments ended early, so that something is missing behind them.
func (r *Recorder) Gaps() uint64 { return r.gaps }

// Step steps the node, and records that.
func (r *Recorder) Step(now node.Time, in node.Input, eff *node.Effects) {
	if !r.begin(now) {
		r.node.Step(now, in, eff)
		r.number++
		return
	}
	before := AlreadyIn(eff)
	eff.Wake = 0
	r.buf = append(r.buf[:0], make([]byte, headerBytes)...)
	r.buf = appendStepBegin(r.buf, r.number, now, in)
	r.stepping = true
	defer r.broke(now) // the last record of a node that breaks off is the one that is wanted most.
	r.node.Step(now, in, eff)
	r.stepping = false
	r.buf = codec.AppendBool(append(r.buf, readsEnd), true)
	r.buf = AppendMarks(r.buf, eff, before)
	r.number++
	r.append(now)
}

// broke records a step in which the node panics. It runs while the panic is under way, and does not end it.
func (r *Recorder) broke(now node.Time) {
	if !r.stepping {
		return
	}
	r.stepping = false
	r.buf = codec.AppendBool(append(r.buf, readsEnd), false)
	r.append(now)
	r.o.Sink.Flush()
}

// append hands the record in r.buf to the sink.
func (r *Recorder) append(now node.Time) {
	if len(r.buf) > r.o.RecordBytesMax || !r.o.Sink.Append(frame(r.buf), now) {
		r.gap()
		return
	}
	r.bytes += len(r.buf)
	const keptMax = 1 << 20
	if cap(r.buf) > keptMax {
		r.buf = nil
	}
}

// gap ends the segment: what follows is not recorded until another one begins.
func (r *Recorder) gap() {
	r.open, r.state, r.buf = false, Paused, nil
	r.gaps++
}

// SetLogLevel sets the level of the node's log lines.
func (r *Recorder) SetLogLevel(level node.LogLevel) {
	if r.node.LogLevel == level {
		return
	}
	r.node.SetLogLevel(level)
	if r.open {
		r.buf = AppendLevel(r.buf[:0], level)
		if !r.o.Sink.Append(r.buf, r.node.Now) {
			r.gap()
		}
	}
}

// begin makes sure that there is a segment for the next step; false: there is none.
func (r *Recorder) begin(now node.Time) bool {
	if r.open && r.bytes < r.o.SegmentBytes {
		return true
	}
	if !r.open && now.Mono < r.retry {
		return false
	}
	r.open = false
	var err error
	r.image, err = r.node.Image(r.image[:0], r.o.ImageBytesMax)
	if err != nil {
		r.retry = now.Mono + r.o.Pause
		if r.failure = err; errors.Is(err, node.ErrImageTooLarge) {
			r.state = TooLarge
		} else {
			r.state = Failed
		}
		return false
	}
	random, err := r.o.Randomness.MarshalBinary()
	if err != nil {
		r.state, r.failure, r.retry = Failed, err, now.Mono+r.o.Pause
		return false
	}
	r.buf = AppendHead(r.buf[:0], &Head{
		Build: r.o.Build, Name: r.o.Name, Cluster: r.o.Cluster, Member: r.node.ID(), Boots: r.node.Boots,
		Step: r.number, Time: now, Randomness: random, Image: r.image,
	})
	if !r.o.Sink.Begin(r.buf, now) {
		r.state, r.retry = Paused, now.Mono+retryPause
		return false
	}
	r.open, r.state, r.failure, r.bytes = true, Recording, nil, 0
	return true
}

// retryPause is the time before another try when a sink could not take a segment.
const retryPause = time.Second
