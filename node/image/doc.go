// Package image turns the state of a state machine into bytes, and bytes into that state again: all fields of its
// structs, the unexported ones too, what its pointers point to, and which pointers point to the same. A machine needs
// no code for it, so that no field can be forgotten.
//
// That works for plain data. What connects a machine with its surroundings is no data: interfaces, functions, and
// pointers of the types that Options.Kept names. An image only notes whether they are set, and Restore takes them from
// the machine into which it restores: it has to be newly made, as it would be for a start. A field with the tag
// image:"-" is memory that is used again, without content between two steps: it is not in an image. A type that is held
// together by pointers into itself implements Flattened.
//
// An image is no format for keeping: it can only be read by a program whose types are the same. Layout is a hash of
// them, to be stored with images.
//
// Begin with Append and Restore.
package image
