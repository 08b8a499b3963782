package chaos

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// NodesMax is the size of the largest cluster a plan can speak of: nodes are n1 to n9.
const NodesMax = 9

// Fault is one disturbance. Which fields count depends on the kind; the others are zero. Nodes are numbered from 1.
type Fault struct {
	Kind      Kind
	Nodes     []int         // the nodes it happens to.
	Groups    [][]int       // of a partition.
	From, To  []int         // the links from each of From to each of To; both empty: all links.
	Amount    time.Duration // an offset, or the lower end of a range.
	AmountMax time.Duration // the upper end of a range.
	PPM       int64         // a share, or a clock rate, in parts per million.
}

// String prints f as ParseFault reads it.
func (f Fault) String() string {
	if f.Kind >= kindEnd {
		return f.Kind.String()
	}
	words := []string{f.Kind.String()}
	switch {
	case len(f.Groups) > 0:
		groups := make([]string, len(f.Groups))
		for i, g := range f.Groups {
			groups[i] = FormatNodes(g)
		}
		words = append(words, strings.Join(groups, " | "))
	case len(f.From) > 0 || len(f.To) > 0:
		words = append(words, FormatNodes(f.From), "->", FormatNodes(f.To))
	case len(f.Nodes) > 0:
		words = append(words, FormatNodes(f.Nodes))
	}
	switch specs[f.Kind].value {
	case valueRatio:
		words = append(words, FormatRatio(f.PPM))
	case valuePPM:
		words = append(words, fmt.Sprintf("%+dppm", f.PPM))
	case valueLength:
		words = append(words, FormatDuration(f.Amount))
	case valueOffset:
		words = append(words, formatOffset(f.Amount))
	case valueRange:
		words = append(words, FormatRange(f.Amount, f.AmountMax))
	}
	return strings.Join(words, " ")
}

// ParseFault reads one fault, such as "cut n1 -> n2,n3" or "skew n2 +1500ms".
func ParseFault(s string) (Fault, error) {
	fields := strings.Fields(s)
	if len(fields) == 0 {
		return Fault{}, fmt.Errorf("no fault: say what happens, for example `crash n1`")
	}
	kind, err := ParseKind(fields[0])
	if err != nil {
		return Fault{}, err
	}
	f := Fault{Kind: kind}
	subject := fields[1:]
	if specs[kind].value != valueNone {
		if len(subject) == 0 {
			return Fault{}, fmt.Errorf("%s: %s", kind, f.usage())
		}
		if err := f.parseValue(subject[len(subject)-1]); err != nil {
			return Fault{}, fmt.Errorf("%s: %w (%s)", kind, err, f.usage())
		}
		subject = subject[:len(subject)-1]
	}
	if err := f.parseSubject(strings.Join(subject, " ")); err != nil {
		return Fault{}, fmt.Errorf("%s: %w (%s)", kind, err, f.usage())
	}
	if err := f.Check(); err != nil {
		return Fault{}, err
	}
	return f, nil
}

func (f *Fault) parseValue(word string) (err error) {
	switch specs[f.Kind].value {
	case valueRatio:
		f.PPM, err = ParseRatio(word)
	case valuePPM:
		f.PPM, err = ParsePPM(word)
	case valueLength, valueOffset:
		f.Amount, err = ParseDuration(word)
	case valueRange:
		f.Amount, f.AmountMax, err = ParseRange(word)
	}
	return err
}

func (f *Fault) parseSubject(s string) (err error) {
	sp := specs[f.Kind]
	switch {
	case s == "":
		return nil // Check reports a missing part.
	case sp.groups:
		for g := range strings.SplitSeq(s, "|") {
			nodes, err := ParseNodes(g)
			if err != nil {
				return err
			}
			f.Groups = append(f.Groups, nodes)
		}
		return nil
	case sp.links != never:
		from, to, ok := strings.Cut(s, "->")
		if !ok {
			return fmt.Errorf("%q names no link", s)
		}
		if f.From, err = ParseNodes(from); err != nil {
			return err
		}
		f.To, err = ParseNodes(to)
		return err
	case sp.nodes != never:
		f.Nodes, err = ParseNodes(s)
		return err
	}
	return fmt.Errorf("%q is too much", s)
}

// usage is the syntax of a fault of this kind.
func (f *Fault) usage() string {
	sp := specs[f.Kind]
	words := []string{sp.name}
	add := func(n need, text string) {
		switch n {
		case optional:
			words = append(words, "["+text+"]")
		case required:
			words = append(words, text)
		}
	}
	if sp.groups {
		words = append(words, "n1,n2 | n3")
	}
	add(sp.links, "n1 -> n2,n3")
	add(sp.nodes, "n1,n2")
	words = append(words, [...]string{"", "30%", "+200ppm", "20ms", "+1500ms", "50ms..200ms"}[sp.value])
	return "write it as `" + strings.TrimSpace(strings.Join(words, " ")) + "`"
}

// Bounds of a fault's amounts: wide enough for every experiment, narrow enough that no sum of them overflows.
const (
	DurationMax = 1000 * time.Hour
	DriftPPMMax = 500_000
	PPMAll      = 1_000_000 // every message, every write.
)

// Check returns what is wrong with f in any cluster: a missing or needless part, a node named twice, an amount out of
// bounds.
func (f Fault) Check() error {
	if f.Kind >= kindEnd {
		return fmt.Errorf("%s is no fault: use a Kind constant", f.Kind)
	}
	if err := f.checkParts(); err != nil {
		return fmt.Errorf("%s: %w", f.Kind, err)
	}
	if err := f.checkNodes(); err != nil {
		return fmt.Errorf("%s: %w", f.Kind, err)
	}
	if err := f.checkAmounts(); err != nil {
		return fmt.Errorf("%s: %w", f.Kind, err)
	}
	return nil
}

func (f *Fault) checkParts() error {
	sp := specs[f.Kind]
	wrong := func(n need, there bool) bool { return n == required && !there || n == never && there }
	links := len(f.From) > 0 || len(f.To) > 0
	switch {
	case wrong(sp.nodes, len(f.Nodes) > 0), wrong(sp.links, links), sp.groups != (len(f.Groups) > 0):
		return fmt.Errorf("the nodes are missing, or there are some where none belong (%s)", f.usage())
	case sp.pair && len(f.Nodes) != 2:
		return fmt.Errorf("it takes two nodes (%s)", f.usage())
	case links && (len(f.From) == 0 || len(f.To) == 0):
		return fmt.Errorf("a link needs both its ends (%s)", f.usage())
	case sp.groups && len(f.Groups) < 2:
		return fmt.Errorf("one group is no partition (%s)", f.usage())
	}
	return nil
}

func (f *Fault) checkNodes() error {
	var grouped []int
	for _, g := range f.Groups {
		if len(g) == 0 {
			return fmt.Errorf("a group is empty (%s)", f.usage())
		}
		grouped = append(grouped, g...)
	}
	for _, list := range [][]int{f.Nodes, f.From, f.To, grouped} {
		var seen [NodesMax + 1]bool
		for _, n := range list {
			if n < 1 || n > NodesMax {
				return fmt.Errorf("node %d: nodes are n1 to n%d", n, NodesMax)
			}
			if seen[n] {
				return fmt.Errorf("n%d is named twice", n)
			}
			seen[n] = true
		}
	}
	for _, n := range f.From {
		if slices.Contains(f.To, n) {
			return fmt.Errorf("n%d is on both ends of the link: a node always reaches itself", n)
		}
	}
	return nil
}

func (f *Fault) checkAmounts() error {
	form := specs[f.Kind].value
	span := form == valueRange
	amount := span || form == valueLength || form == valueOffset
	switch {
	case !amount && f.Amount != 0, !span && f.AmountMax != 0, form != valueRatio && form != valuePPM && f.PPM != 0:
		return fmt.Errorf("it has an amount that means nothing (%s)", f.usage())
	case f.Amount > DurationMax || f.Amount < -DurationMax || f.AmountMax > DurationMax:
		return fmt.Errorf("amounts of time go up to %s", FormatDuration(DurationMax))
	case form != valueOffset && f.Amount < 0:
		return fmt.Errorf("%s is negative", FormatDuration(f.Amount))
	case span && f.AmountMax < f.Amount:
		return fmt.Errorf("the range ends before it begins")
	case form == valueRatio && (f.PPM < 0 || f.PPM > PPMAll):
		return fmt.Errorf("a share is between 0%% and 100%%")
	case form == valuePPM && (f.PPM < -DriftPPMMax || f.PPM > DriftPPMMax):
		return fmt.Errorf("a clock drifts by at most %dppm", DriftPPMMax)
	}
	return nil
}
