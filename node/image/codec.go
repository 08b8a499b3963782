package image

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"reflect"
	"slices"
	"unsafe"
)

// codec writes and reads the values of one type.
type codec struct {
	append func(e *encoder, p unsafe.Pointer)
	read   func(d *decoder, p unsafe.Pointer)
}

// types makes codecs of types. A codec is made before those of its parts, so that types may contain pointers to
// themselves.
type types struct {
	kept   map[reflect.Type]unsafe.Pointer
	made   map[reflect.Type]*codec
	fields []Field
}

func newTypes(kept []any) *types {
	t := &types{kept: map[reflect.Type]unsafe.Pointer{}, made: map[reflect.Type]*codec{}}
	for _, k := range kept {
		t.kept[reflect.TypeOf(k)] = reflect.ValueOf(k).UnsafePointer()
	}
	return t
}

var flattened = reflect.TypeFor[Flattened]()

// of is the codec of a type.
func (t *types) of(typ reflect.Type) (*codec, error) {
	if c := t.made[typ]; c != nil {
		return c, nil
	}
	c := new(codec)
	t.made[typ] = c
	return c, t.make(c, typ)
}

func (t *types) make(c *codec, typ reflect.Type) error {
	if reflect.PointerTo(typ).Implements(flattened) {
		return t.flat(c, typ)
	}
	switch typ.Kind() {
	case reflect.Bool:
		*c = codec{
			func(e *encoder, p unsafe.Pointer) { e.flag(*(*bool)(p)) },
			func(d *decoder, p unsafe.Pointer) { *(*bool)(p) = d.flag() },
		}
	case reflect.Uint8, reflect.Int8:
		*c = codec{
			func(e *encoder, p unsafe.Pointer) { e.b = append(e.b, *(*byte)(p)) },
			func(d *decoder, p unsafe.Pointer) { *(*byte)(p) = d.take(1)[0] },
		}
	case reflect.Uint, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Int, reflect.Int16, reflect.Int32,
		reflect.Int64:
		*c = number(typ)
	case reflect.String:
		*c = codec{
			func(e *encoder, p unsafe.Pointer) { e.bytes([]byte(*(*string)(p))) },
			func(d *decoder, p unsafe.Pointer) { *(*string)(p) = string(d.take(d.length())) },
		}
	case reflect.Struct:
		return t.structure(c, typ)
	case reflect.Array:
		return t.array(c, typ)
	case reflect.Slice:
		return t.slice(c, typ)
	case reflect.Map:
		return t.table(c, typ)
	case reflect.Pointer:
		return t.pointer(c, typ)
	case reflect.Interface, reflect.Func:
		*c = outside(typ)
	default:
		return fmt.Errorf("image: a %s cannot be part of a state: %s", typ.Kind(), typ)
	}
	return nil
}

// number is the codec of numbers of more than one byte. Their bits are written as those of an unsigned number; negative
// numbers are rare, and long.
func number(typ reflect.Type) codec {
	switch typ.Size() {
	case 2:
		return codec{
			func(e *encoder, p unsafe.Pointer) { e.number(uint64(*(*uint16)(p))) },
			func(d *decoder, p unsafe.Pointer) { *(*uint16)(p) = uint16(d.number()) },
		}
	case 4:
		return codec{
			func(e *encoder, p unsafe.Pointer) { e.number(uint64(*(*uint32)(p))) },
			func(d *decoder, p unsafe.Pointer) { *(*uint32)(p) = uint32(d.number()) },
		}
	}
	return codec{
		func(e *encoder, p unsafe.Pointer) { e.number(*(*uint64)(p)) },
		func(d *decoder, p unsafe.Pointer) { *(*uint64)(p) = d.number() },
	}
}

// structure is the codec of a struct: its fields in their order.
func (t *types) structure(c *codec, typ reflect.Type) error {
	type part struct {
		*codec
		offset uintptr
	}
	var parts []part
	for i := range typ.NumField() {
		f := typ.Field(i)
		if f.Tag.Get(tag) == "-" || f.Name == "_" {
			continue
		}
		t.fields = append(t.fields, Field{typ, f.Name, f.Type})
		inner, err := t.of(f.Type)
		if err != nil {
			return fmt.Errorf("%s.%s: %w", typ, f.Name, err)
		}
		parts = append(parts, part{inner, f.Offset})
	}
	c.append = func(e *encoder, p unsafe.Pointer) {
		for i := range parts {
			parts[i].append(e, unsafe.Add(p, parts[i].offset))
		}
	}
	c.read = func(d *decoder, p unsafe.Pointer) {
		for i := range parts {
			parts[i].read(d, unsafe.Add(p, parts[i].offset))
		}
	}
	return nil
}

// elements is the codec of the elements of an array or slice, n of them from p on.
func (t *types) elements(typ reflect.Type) (write func(e *encoder, p unsafe.Pointer, n int),
	read func(d *decoder, p unsafe.Pointer, n int), err error) {
	switch typ.Kind() {
	case reflect.Uint8: // bytes, and
		return func(e *encoder, p unsafe.Pointer, n int) {
				e.b = append(e.b, unsafe.Slice((*byte)(p), n)...)
				e.check()
			},
			func(d *decoder, p unsafe.Pointer, n int) { copy(unsafe.Slice((*byte)(p), n), d.take(n)) }, nil
	case reflect.Uint64: // hashes, which use all their bits.
		return func(e *encoder, p unsafe.Pointer, n int) {
				for _, u := range unsafe.Slice((*uint64)(p), n) {
					e.b = binary.LittleEndian.AppendUint64(e.b, u)
				}
				e.check()
			}, func(d *decoder, p unsafe.Pointer, n int) {
				for i := range unsafe.Slice((*uint64)(p), n) {
					unsafe.Slice((*uint64)(p), n)[i] = binary.LittleEndian.Uint64(d.take(8))
				}
			}, nil
	}
	c, err := t.of(typ)
	size := typ.Size()
	return func(e *encoder, p unsafe.Pointer, n int) {
			for i := 0; i < n && e.err == nil; i++ {
				c.append(e, unsafe.Add(p, uintptr(i)*size))
			}
		}, func(d *decoder, p unsafe.Pointer, n int) {
			for i := range n {
				c.read(d, unsafe.Add(p, uintptr(i)*size))
			}
		}, err
}

func (t *types) array(c *codec, typ reflect.Type) error {
	write, read, err := t.elements(typ.Elem())
	n := typ.Len()
	c.append = func(e *encoder, p unsafe.Pointer) { write(e, p, n) }
	c.read = func(d *decoder, p unsafe.Pointer) { read(d, p, n) }
	return err
}

// slice is the codec of a slice: its length and one, or zero for nil, and its elements. Whether two slices share memory
// is not kept: a state must not rely on it.
func (t *types) slice(c *codec, typ reflect.Type) error {
	write, read, err := t.elements(typ.Elem())
	c.append = func(e *encoder, p unsafe.Pointer) {
		s := reflect.NewAt(typ, p).Elem()
		if s.IsNil() {
			e.number(0)
			return
		}
		e.number(uint64(s.Len()) + 1)
		write(e, s.UnsafePointer(), s.Len())
	}
	c.read = func(d *decoder, p unsafe.Pointer) {
		s := reflect.NewAt(typ, p).Elem()
		n, is := d.optional()
		if !is {
			s.SetZero()
			return
		}
		made := reflect.MakeSlice(typ, n, n)
		read(d, made.UnsafePointer(), n)
		s.Set(made)
	}
	return err
}

// table is the codec of a map. The entries are sorted by their encoded keys, so that equal states have equal images.
func (t *types) table(c *codec, typ reflect.Type) error {
	key, err := t.of(typ.Key())
	if err != nil {
		return err
	}
	value, err := t.of(typ.Elem())
	c.append = func(e *encoder, p unsafe.Pointer) {
		m := reflect.NewAt(typ, p).Elem()
		if m.IsNil() {
			e.number(0)
			return
		}
		e.number(uint64(m.Len()) + 1)
		type entry struct {
			key     []byte
			content reflect.Value
		}
		var all []entry
		for each := m.MapRange(); each.Next(); {
			k, v := reflect.New(typ.Key()), reflect.New(typ.Elem())
			k.Elem().Set(each.Key())
			v.Elem().Set(each.Value())
			inner := encoder{seen: map[seen]uint64{}}
			key.append(&inner, k.UnsafePointer())
			all = append(all, entry{inner.b, v})
		}
		slices.SortFunc(all, func(a, b entry) int { return bytes.Compare(a.key, b.key) })
		for i := 0; i < len(all) && e.err == nil; i++ {
			e.b = append(e.b, all[i].key...)
			value.append(e, all[i].content.UnsafePointer())
		}
	}
	c.read = func(d *decoder, p unsafe.Pointer) {
		m := reflect.NewAt(typ, p).Elem()
		n, is := d.optional()
		if !is {
			m.SetZero()
			return
		}
		m.Set(reflect.MakeMapWithSize(typ, n))
		for i := 0; i < n && d.err == nil; i++ {
			k, v := reflect.New(typ.Key()), reflect.New(typ.Elem())
			key.read(d, k.UnsafePointer())
			value.read(d, v.UnsafePointer())
			m.SetMapIndex(k.Elem(), v.Elem())
		}
	}
	return err
}
