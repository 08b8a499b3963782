package swim

import (
	"fmt"
	"strconv"
)

// ID is a member's storage identity: random, never zero, and drawn anew after its disk is lost.
type ID uint64

// String prints 16 hexadecimal digits.
func (id ID) String() string { return fmt.Sprintf("%016x", uint64(id)) }

// ParseID reads what ID.String prints.
func ParseID(s string) (ID, error) {
	if len(s) != 16 {
		return 0, fmt.Errorf("member id %q: want 16 hexadecimal digits", s)
	}
	n, err := strconv.ParseUint(s, 16, 64)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("member id %q: want 16 hexadecimal digits, not all zero", s)
	}
	return ID(n), nil
}
