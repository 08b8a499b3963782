package image

import (
	"reflect"
	"unsafe"
)

// Walk calls visit with a pointer to every struct that an image of what root points to would have, the outer ones
// first. Visit may change it, and reports whether the structs in it are to be visited as well. The values of a map are
// visited as copies, which are put back. The order of a map is not defined.
func Walk(root any, o Options, visit func(p any) (inside bool)) {
	w := &walker{types: newTypes(o.Kept), seen: map[walked]bool{}, visit: visit}
	w.value(reflect.ValueOf(root).Elem())
}

type walker struct {
	types *types
	seen  map[walked]bool
	visit func(p any) bool
}

// walked is a value that a pointer has led to.
type walked struct {
	at  unsafe.Pointer
	typ reflect.Type
}

// value visits the structs in v, which is addressable.
func (w *walker) value(v reflect.Value) {
	typ, at := v.Type(), v.Addr().UnsafePointer()
	if reflect.PointerTo(typ).Implements(flattened) {
		f := reflect.NewAt(typ, at).Interface().(Flattened)
		flat := f.Flat()
		w.value(reflect.ValueOf(flat).Elem())
		f.SetFlat(flat)
		return
	}
	switch typ.Kind() {
	case reflect.Struct:
		w.structure(typ, at)
	case reflect.Array, reflect.Slice:
		for i := 0; i < v.Len() && !plain(typ.Elem()); i++ {
			w.value(v.Index(i))
		}
	case reflect.Map:
		if !plain(typ.Elem()) {
			w.table(reflect.NewAt(typ, at).Elem())
		}
	case reflect.Pointer:
		to := walked{*(*unsafe.Pointer)(at), typ.Elem()}
		if _, kept := w.types.kept[typ]; !kept && to.at != nil && !w.seen[to] {
			w.seen[to] = true
			w.value(reflect.NewAt(to.typ, to.at).Elem())
		}
	}
}

func (w *walker) structure(typ reflect.Type, at unsafe.Pointer) {
	if !w.visit(reflect.NewAt(typ, at).Interface()) {
		return
	}
	for i := range typ.NumField() {
		if f := typ.Field(i); f.Tag.Get(tag) != "-" && f.Name != "_" {
			w.value(reflect.NewAt(f.Type, unsafe.Add(at, f.Offset)).Elem())
		}
	}
}

func (w *walker) table(m reflect.Value) {
	for _, key := range m.MapKeys() {
		v := reflect.New(m.Type().Elem())
		v.Elem().Set(m.MapIndex(key))
		w.value(v.Elem())
		m.SetMapIndex(key, v.Elem())
	}
}

// plain reports whether a type is no struct and leads to none.
func plain(typ reflect.Type) bool {
	switch typ.Kind() {
	case reflect.Struct, reflect.Array, reflect.Slice, reflect.Map, reflect.Pointer:
		return false
	}
	return true
}
