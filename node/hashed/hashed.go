package hashed

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"kvs/node/recorder"
	"kvs/node/relive"
)

// Source is a recording that can be read twice.
type Source interface {
	io.Reader
	// Rewind goes back to the beginning.
	Rewind() error
}

// SaltBytes is the length of a salt.
const SaltBytes = 32

// Options of Write.
type Options struct {
	Build recorder.Build  // of this program: it has to be the one that recorded.
	Salt  [SaltBytes]byte // drawn for this recording, and forgotten.
}

// ErrInconsistent means that the core decides something else once the values are replaced: Write does not know of
// something that depends on them.
var ErrInconsistent = errors.New("the core decides something else when the values are replaced by hashes")

// Write writes a recording with hashes in place of values, and returns what came of the recording with the values:
// whatever it is, the new recording tells it. Errors: no recording could be made, and what was written is of no use.
func Write(w io.Writer, from Source, o Options) (*relive.Result, error) {
	res, err := relive.Run(buffered(from), relive.Options{Build: o.Build})
	if err != nil {
		return nil, err
	}
	if err := from.Rewind(); err != nil {
		return nil, fmt.Errorf("read the recording a second time: %w", err)
	}
	out := bufio.NewWriterSize(w, bufferBytes)
	again, err := relive.Run(buffered(from), relive.Options{Build: o.Build, Rewrite: &relive.Rewrite{
		Values: newValues(o.Salt), Checked: checked(res),
		Write: func(record []byte) error {
			_, err := out.Write(record)
			return err
		},
	}})
	switch {
	case err != nil:
		return nil, err
	case again.Differs != nil:
		return nil, fmt.Errorf("%w, in step %d: %s: please report this", ErrInconsistent, again.Differs.Step.Number,
			again.Differs.What)
	case again.Steps != res.Steps:
		return nil, fmt.Errorf("%w: %d steps instead of %d: please report this", ErrInconsistent, again.Steps,
			res.Steps)
	}
	return res, out.Flush()
}

const bufferBytes = 1 << 18

func buffered(from io.Reader) io.Reader { return bufio.NewReaderSize(from, bufferBytes) }

// checked is what the heads of the new recording say. No sums are in it, and no content of an effect.
func checked(r *relive.Result) recorder.Checked {
	c := recorder.Checked{Steps: r.Steps, Effects: r.Effects}
	switch d := r.Differs; {
	case d != nil:
		c.Differs = true
		c.Ended = fmt.Sprintf("step %d, %s, had other effects when it was run again with the values: %s",
			d.Step.Number, recorder.Describe(d.Step.Input), d.Shape)
	case r.Torn != nil:
		c.Ended = r.Torn.Error()
	}
	return c
}
