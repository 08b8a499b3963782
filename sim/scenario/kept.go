package scenario

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Kept is a choice among the operations that the workload draws: for each client, from the first on, the numbers of
// those it does, ascending from 1. Operations that are left out are drawn, with their think times, all the same, so
// that the others stay as they are. It is not written by hand: shrinking makes it.
type Kept [][]int

// keptOpsMax bounds a number, so that drawing for a client ends.
const keptOpsMax = 1_000_000

// Ops is the number of operations that are left.
func (k Kept) Ops() int {
	n := 0
	for _, ops := range k {
		n += len(ops)
	}
	return n
}

// Has reports whether client number does its operation op, and whether it or a later one is left for it.
func (k Kept) Has(client, op int) (kept, more bool) {
	if client > len(k) {
		return false, false
	}
	ops := k[client-1]
	i, kept := slices.BinarySearch(ops, op)
	return kept, i < len(ops)
}

// formatKept writes "c1:3,7..9 c4:1", "none", or nothing for a nil k.
func formatKept(k *Kept) string {
	if k == nil {
		return ""
	}
	var words []string
	for i, ops := range *k {
		if len(ops) > 0 {
			words = append(words, fmt.Sprintf("c%d:%s", i+1, formatNumbers(ops)))
		}
	}
	if len(words) == 0 {
		return "none"
	}
	return strings.Join(words, " ")
}

func formatNumbers(list []int) string {
	var words []string
	for i := 0; i < len(list); {
		j := i
		for j+1 < len(list) && list[j+1] == list[j]+1 {
			j++
		}
		word := strconv.Itoa(list[i])
		if j > i {
			word += ".." + strconv.Itoa(list[j])
		}
		words = append(words, word)
		i = j + 1
	}
	return strings.Join(words, ",")
}

func parseKept(s string) (*Kept, error) {
	k := &Kept{}
	if s == "none" {
		return k, nil
	}
	for word := range strings.FieldsSeq(s) {
		name, list, ok := strings.Cut(word, ":")
		digits, isClient := strings.CutPrefix(name, "c")
		client, err := parseCount(digits)
		if !ok || !isClient || err != nil || client <= len(*k) || client > ClientsMax {
			return nil, fmt.Errorf("%q: write c1:3,7..9 c4:1, clients ascending from c1 to c%d", word, ClientsMax)
		}
		ops, err := parseNumbers(list)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", word, err)
		}
		for len(*k) < client-1 {
			*k = append(*k, nil)
		}
		*k = append(*k, ops)
	}
	return k, nil
}

// keptListMax bounds what one client's list may name, since a range is short and its list is not.
const keptListMax = 100_000

func parseNumbers(s string) (out []int, err error) {
	last := 0
	for word := range strings.SplitSeq(s, ",") {
		from, to, isRange := strings.Cut(word, "..")
		lo, err := parseCount(from)
		if err != nil {
			return nil, err
		}
		hi := lo
		if isRange {
			if hi, err = parseCount(to); err != nil {
				return nil, err
			}
		}
		if lo <= last || hi < lo || hi > keptOpsMax || len(out)+hi-lo >= keptListMax {
			return nil, fmt.Errorf("numbers ascend, from 1 to %d, and are %d at most", keptOpsMax, keptListMax)
		}
		for n := lo; n <= hi; n++ {
			out = append(out, n)
		}
		last = hi
	}
	return out, nil
}

func (s *Scenario) checkKept() error {
	switch {
	case s.Keep == nil:
		return nil
	case s.Swarm:
		return fmt.Errorf("keep: the operations of a swarm are not drawn yet")
	case len(*s.Keep) > s.Clients:
		return fmt.Errorf("keep: there are %d clients, and operations of c%d are named", s.Clients, len(*s.Keep))
	}
	return nil
}
