package image

import (
	"errors"
	"fmt"
	"hash/crc64"
	"reflect"
	"strings"
	"unsafe"
)

// Options of images. They are the same for Append and Restore.
type Options struct {
	// Kept are pointers to what does not belong to the state but is pointed to from it. No pointer of their types is
	// followed, and Restore makes each of them point there again.
	Kept []any
	// BytesMax bounds an image: Append fails with ErrTooLarge instead of making a larger one. Zero: no bound.
	BytesMax int
}

// ErrTooLarge means that an image would have more than Options.BytesMax bytes.
var ErrTooLarge = errors.New("the state is too large for an image")

// ErrDamaged is wrapped by every error of an image that this program cannot have written.
var ErrDamaged = errors.New("this is no image of these types")

// Flattened is a type that an image stores as another value, without pointers into itself. The methods are those of the
// pointer.
type Flattened interface {
	// Flat returns a pointer to plain data that describes the value. Its type is always the same, also for a zero
	// value.
	Flat() any
	// SetFlat makes the value what a result of Flat describes. It owns flat.
	SetFlat(flat any)
}

// tag marks fields that are not in an image.
const tag = "image"

// depthMax bounds how deep pointers are followed.
const depthMax = 10_000

// Append appends an image of what root, a pointer, points to. It only reads.
func Append(b []byte, root any, o Options) ([]byte, error) {
	v := reflect.ValueOf(root)
	t := newTypes(o.Kept)
	codec, err := t.of(v.Type().Elem())
	if err != nil {
		return b, err
	}
	e := &encoder{b: b, max: o.BytesMax, seen: map[seen]uint64{}}
	if o.BytesMax > 0 {
		e.max += len(b)
	}
	if codec.append(e, v.UnsafePointer()); e.err != nil {
		return b, e.err
	}
	return e.b, nil
}

// Restore makes what root points to that of an image, which Append has made of a value of the same type. It shares no
// memory with image. After an error the content of root is undefined.
func Restore(image []byte, root any, o Options) error {
	v := reflect.ValueOf(root)
	t := newTypes(o.Kept)
	codec, err := t.of(v.Type().Elem())
	if err != nil {
		return err
	}
	d := &decoder{b: image, used: map[unsafe.Pointer]bool{}}
	if codec.read(d, v.UnsafePointer()); len(d.b) > 0 {
		d.fail("%d bytes are left over", len(d.b))
	}
	return d.err
}

// Field is a field of a struct that is in images.
type Field struct {
	Owner reflect.Type
	Name  string
	Type  reflect.Type
}

// String prints the field as in "node/step.Pending.Record []uint8".
func (f Field) String() string {
	return fmt.Sprintf("%s.%s.%s %s", f.Owner.PkgPath(), f.Owner.Name(), f.Name, f.Type)
}

// Fields lists the fields of all structs that an image of what root points to may have, in the order in which they are
// found.
func Fields(root any, o Options) ([]Field, error) {
	t := newTypes(o.Kept)
	if _, err := t.of(reflect.TypeOf(root).Elem()); err != nil {
		return nil, err
	}
	return t.fields, nil
}

// Layout is a hash of the types of which an image of what root points to consists.
func Layout(root any, o Options) (uint64, error) {
	fields, err := Fields(root, o)
	if err != nil {
		return 0, err
	}
	var all strings.Builder
	for _, f := range fields {
		all.WriteString(f.String())
		fmt.Fprintf(&all, " %s\n", f.Type.Kind())
	}
	return crc64.Checksum([]byte(all.String()), crc64.MakeTable(crc64.ECMA)), nil
}
