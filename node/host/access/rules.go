package access

import (
	"fmt"
	"slices"
	"strings"
)

// Right is a right that a rule allows or denies.
type Right string

// The rights. Admin is not about paths: it is allowed at the root, "", and covers members, voters, modes, policy,
// keyring and tokens.
const (
	Read  Right = "read"
	Write Right = "write"
	List  Right = "list"
	Watch Right = "watch"
	Admin Right = "admin"
)

// Rights are all of them.
var Rights = []Right{Read, Write, List, Watch, Admin}

// Rule allows or denies rights on a prefix: a path, with or without a slash at its end, and everything below it; "" is
// everything.
type Rule struct {
	Prefix string  `json:"prefix"`
	Allow  []Right `json:"allow,omitempty"`
	Deny   []Right `json:"deny,omitempty"`
}

// Rules are those of one token.
type Rules []Rule

// rulesMax bounds the rules of a token.
const rulesMax = 64

// Everything allows everything.
func Everything() Rules { return Rules{{Allow: Rights}} }

// Check returns what is wrong with rules.
func (r Rules) Check() error {
	if len(r) == 0 || len(r) > rulesMax {
		return fmt.Errorf("%d rules, want 1 to %d", len(r), rulesMax)
	}
	for _, rule := range r {
		if len(rule.Allow)+len(rule.Deny) == 0 {
			return fmt.Errorf("the rule for %q neither allows nor denies anything", rule.Prefix)
		}
		if len(rule.Allow)+len(rule.Deny) > 2*len(Rights) {
			return fmt.Errorf("the rule for %q names rights more than once", rule.Prefix)
		}
		for _, right := range slices.Concat(rule.Allow, rule.Deny) {
			switch {
			case !slices.Contains(Rights, right):
				return fmt.Errorf("right %.50q is none of %s", right, words(Rights))
			case right == Admin && trim(rule.Prefix) != "":
				return fmt.Errorf("admin is not about paths: allow or deny it at the root, not at %q", rule.Prefix)
			}
		}
	}
	return nil
}

func words(rights []Right) string {
	out := make([]string, len(rights))
	for i, r := range rights {
		out[i] = string(r)
	}
	return strings.Join(out, ", ")
}

// Allow says whether a right is allowed on a path or directory; for Admin on "".
func (r Rules) Allow(right Right, path string) bool {
	path = trim(path)
	longest, allowed := -1, false
	for i := range r {
		rule := &r[i]
		prefix := trim(rule.Prefix)
		denies := slices.Contains(rule.Deny, right)
		if !denies && !slices.Contains(rule.Allow, right) || !covers(prefix, path) {
			continue
		}
		switch {
		case len(prefix) > longest:
			longest, allowed = len(prefix), !denies
		case len(prefix) == longest && denies:
			allowed = false
		}
	}
	return allowed
}

// Any says whether a right is allowed anywhere.
func (r Rules) Any(right Right) bool {
	return slices.ContainsFunc(r, func(rule Rule) bool { return r.Allow(right, rule.Prefix) })
}

// Borders are the least paths at which the answer for a right may change, in order: between two of them all paths have
// the same answer.
func (r Rules) Borders(right Right) (out []string) {
	for i := range r {
		if p := trim(r[i].Prefix); p != "" &&
			(slices.Contains(r[i].Allow, right) || slices.Contains(r[i].Deny, right)) {
			out = append(out, p, p+"\x00", p+"/", p+"0") // "0" follows "/".
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// trim makes one spelling of a path and of the directory of that name.
func trim(p string) string { return strings.TrimSuffix(p, "/") }

func covers(prefix, path string) bool {
	return prefix == "" || path == prefix || strings.HasPrefix(path, prefix) && path[len(prefix)] == '/'
}
