package image

import (
	"encoding/binary"
	"fmt"
	"reflect"
	"unsafe"
)

// encoder writes one image.
type encoder struct {
	b     []byte
	max   int // zero: no bound.
	seen  map[seen]uint64
	depth int
	err   error // the first; what is written after it does not count.
}

// seen is a value that has been written: the first field of a struct has the same address as the struct.
type seen struct {
	at  unsafe.Pointer
	typ *codec
}

func (e *encoder) number(u uint64) { e.b = binary.AppendUvarint(e.b, u) }

func (e *encoder) bytes(s []byte) {
	e.number(uint64(len(s)))
	e.b = append(e.b, s...)
	e.check()
}

func (e *encoder) check() {
	if e.max > 0 && len(e.b) > e.max {
		e.err = ErrTooLarge
	}
}

// decoder reads one image.
type decoder struct {
	b     []byte                  // what is left.
	made  []unsafe.Pointer        // by number, from 1 on.
	types []*codec                // of these.
	used  map[unsafe.Pointer]bool // values of the machine itself that are already the values of a pointer.
	depth int
	err   error // the first; what is read after it is zero.
}

func (d *decoder) fail(format string, args ...any) {
	if d.err == nil {
		d.err = fmt.Errorf("%w: %s", ErrDamaged, fmt.Sprintf(format, args...))
	}
	d.b = nil
}

func (d *decoder) take(n int) []byte {
	if n > len(d.b) {
		d.fail("%d bytes are missing", n-len(d.b))
		return make([]byte, n) // n is a size of a type: lengths are zero now.
	}
	out := d.b[:n]
	d.b = d.b[n:]
	return out
}

func (d *decoder) number() uint64 {
	u, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.fail("no number")
		return 0
	}
	d.b = d.b[n:]
	return u
}

// length is a number of bytes or elements. An element takes at least a byte.
func (d *decoder) length() int {
	u := d.number()
	if u > uint64(len(d.b)) {
		d.fail("a length of %d with %d bytes left", u, len(d.b))
		return 0
	}
	return int(u)
}

// optional is a length and one; false: nil.
func (d *decoder) optional() (n int, is bool) {
	u := d.number()
	if u > uint64(len(d.b))+1 {
		d.fail("a length of %d with %d bytes left", u, len(d.b))
		return 0, false
	}
	return int(u) - 1, u > 0
}

// pointer is the codec of a pointer: zero for nil, the number of a value that has been written before, or the next
// number and the value.
func (t *types) pointer(c *codec, typ reflect.Type) error {
	if to, is := t.kept[typ]; is {
		*c = kept(to)
		return nil
	}
	inner, err := t.of(typ.Elem())
	c.append = func(e *encoder, p unsafe.Pointer) {
		at := *(*unsafe.Pointer)(p)
		if at == nil {
			e.number(0)
			return
		}
		id, before := e.seen[seen{at, inner}]
		if !before {
			id = uint64(len(e.seen)) + 1
			e.seen[seen{at, inner}] = id
		}
		e.number(id)
		if !before {
			if e.depth++; e.depth > depthMax {
				e.err = ErrTooLarge
				return
			}
			inner.append(e, at)
			e.depth--
			e.check()
		}
	}
	c.read = func(d *decoder, p unsafe.Pointer) {
		id := d.number()
		switch {
		case id == 0 || d.err != nil:
			*(*unsafe.Pointer)(p) = nil
			return
		case id <= uint64(len(d.made)):
			if d.types[id-1] != inner {
				d.fail("a pointer to a value of another type")
				return
			}
			*(*unsafe.Pointer)(p) = d.made[id-1]
			return
		case id != uint64(len(d.made))+1:
			d.fail("a pointer to value %d of %d", id, len(d.made))
			return
		}
		// A machine that is made has its parts already, with what connects them.
		at := *(*unsafe.Pointer)(p)
		if at == nil || d.used[at] {
			at = reflect.New(typ.Elem()).UnsafePointer()
			*(*unsafe.Pointer)(p) = at
		}
		d.used[at] = true
		d.made, d.types = append(d.made, at), append(d.types, inner)
		if d.depth++; d.depth > depthMax {
			d.fail("pointers are nested too deeply")
			return
		}
		inner.read(d, at)
		d.depth--
	}
	return err
}

// kept is the codec of a pointer to what does not belong to the state.
func kept(to unsafe.Pointer) codec {
	return codec{
		func(e *encoder, p unsafe.Pointer) { e.flag(*(*unsafe.Pointer)(p) != nil) },
		func(d *decoder, p unsafe.Pointer) {
			if *(*unsafe.Pointer)(p) = nil; d.flag() {
				*(*unsafe.Pointer)(p) = to
			}
		},
	}
}

// outside is the codec of an interface or a function: it is there before an image is restored.
func outside(typ reflect.Type) codec {
	return codec{
		func(e *encoder, p unsafe.Pointer) { e.flag(!reflect.NewAt(typ, p).Elem().IsNil()) },
		func(d *decoder, p unsafe.Pointer) {
			v := reflect.NewAt(typ, p).Elem()
			switch is := d.flag(); {
			case is && v.IsNil():
				d.fail("a %s is needed, and the machine has none", typ)
			case !is:
				v.SetZero()
			}
		},
	}
}

func (e *encoder) flag(on bool) {
	if on {
		e.b = append(e.b, 1)
	} else {
		e.b = append(e.b, 0)
	}
}

func (d *decoder) flag() bool {
	b := d.take(1)[0]
	if b > 1 {
		d.fail("a flag of %d", b)
	}
	return b == 1
}

// flat is the codec of a type that implements Flattened.
func (t *types) flat(c *codec, typ reflect.Type) error {
	of := func(p unsafe.Pointer) Flattened { return reflect.NewAt(typ, p).Interface().(Flattened) }
	plain := reflect.TypeOf(of(reflect.New(typ).UnsafePointer()).Flat()).Elem()
	inner, err := t.of(plain)
	c.append = func(e *encoder, p unsafe.Pointer) {
		inner.append(e, reflect.ValueOf(of(p).Flat()).UnsafePointer())
	}
	c.read = func(d *decoder, p unsafe.Pointer) {
		v := reflect.New(plain)
		inner.read(d, v.UnsafePointer())
		of(p).SetFlat(v.Interface())
	}
	return err
}
