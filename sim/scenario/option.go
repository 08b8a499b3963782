package scenario

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"kvs/chaos"
)

// Option is one key=value of a line. Printing and parsing are side by side, so that they stay consistent: Parse must
// accept what Print returns, and then change nothing.
type Option struct {
	Key   string
	Print func() string // without spaces.
	Parse func(string) error
}

// Int is a whole number of 0 and above.
func Int(key string, p *int) Option {
	return Option{key, func() string { return strconv.Itoa(*p) }, func(v string) error {
		n, err := parseCount(v)
		*p = n
		return err
	}}
}

// IntRange is a range of whole numbers, 16..256, or a single one.
func IntRange(key string, lo, hi *int) Option {
	return Option{key, func() string {
		if *lo == *hi {
			return strconv.Itoa(*lo)
		}
		return fmt.Sprintf("%d..%d", *lo, *hi)
	}, func(v string) (err error) {
		first, second, isRange := strings.Cut(v, "..")
		if *lo, err = parseCount(first); err != nil {
			return err
		}
		*hi = *lo
		if isRange {
			if *hi, err = parseCount(second); err != nil {
				return err
			}
		}
		return nil
	}}
}

func parseCount(s string) (int, error) {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil || n > math.MaxInt32 {
		return 0, fmt.Errorf("%q is no whole number", s)
	}
	return int(n), nil
}

// Duration is a time with its unit.
func Duration(key string, p *time.Duration) Option {
	return Option{key, func() string { return chaos.FormatDuration(*p) }, func(v string) (err error) {
		*p, err = chaos.ParseDuration(v)
		return err
	}}
}

// DurationRange is a range of times, 1ms..10ms, or a single one.
func DurationRange(key string, lo, hi *time.Duration) Option {
	return Option{key, func() string { return chaos.FormatRange(*lo, *hi) }, func(v string) (err error) {
		*lo, *hi, err = chaos.ParseRange(v)
		return err
	}}
}

// Bool is yes or no.
func Bool(key string, p *bool) Option {
	return Option{key, func() string {
		if *p {
			return "yes"
		}
		return "no"
	}, func(v string) error {
		if v != "yes" && v != "no" {
			return fmt.Errorf("%q: use yes or no", v)
		}
		*p = v == "yes"
		return nil
	}}
}

// Ratio is a share, kept in parts per million and written in percent.
func Ratio(key string, p *int64) Option {
	return Option{key, func() string { return chaos.FormatRatio(*p) }, func(v string) (err error) {
		*p, err = chaos.ParseRatio(v)
		return err
	}}
}

// PPMRange is a range of rates, 0ppm..100ppm, or a single one.
func PPMRange(key string, lo, hi *int64) Option {
	return Option{key, func() string {
		if *lo == *hi {
			return fmt.Sprintf("%dppm", *lo)
		}
		return fmt.Sprintf("%dppm..%dppm", *lo, *hi)
	}, func(v string) (err error) {
		first, second, isRange := strings.Cut(v, "..")
		if *lo, err = chaos.ParsePPM(first); err != nil {
			return err
		}
		*hi = *lo
		if isRange {
			*hi, err = chaos.ParsePPM(second)
		}
		return err
	}}
}

func linkOptions(l *chaos.Link) []Option {
	return []Option{
		DurationRange("delay", &l.Delay, &l.DelayMax),
		Ratio("loss", &l.Loss), Ratio("duplicate", &l.Duplicate), Ratio("reorder", &l.Reorder),
		Ratio("corrupt", &l.Corrupt),
	}
}

func (c *Clocks) options() []Option {
	return []Option{DurationRange("skew", &c.Skew, &c.SkewMax), PPMRange("drift", &c.Drift, &c.DriftMax)}
}

func (d *Disk) options() []Option {
	return []Option{DurationRange("sync", &d.Sync, &d.SyncMax), Bool("walk", &d.Walk), Bool("busy", &d.Busy)}
}

func (r *Random) options() []Option {
	return []Option{
		{"kinds", func() string { return formatKinds(r.Kinds) }, func(v string) (err error) {
			r.Kinds, err = parseKinds(v)
			return err
		}},
		Duration("every", &r.Every),
		DurationRange("length", &r.Length, &r.LengthMax),
		{"majority", func() string { return majorityWords[boolIndex(r.KeepMajority)] }, func(v string) error {
			r.KeepMajority = v == majorityWords[1]
			if !r.KeepMajority && v != majorityWords[0] {
				return fmt.Errorf("%q: write lose or keep", v)
			}
			return nil
		}},
		Bool("patterns", &r.Patterns),
	}
}

// majorityWords: whether the plan may disturb a majority of the nodes, or keeps one undisturbed.
var majorityWords = [...]string{"lose", "keep"}

func boolIndex(b bool) int {
	if b {
		return 1
	}
	return 0
}

// formatKinds and parseKinds write a set of kinds as a list, or as "all" those that can be drawn, or as "none".
func formatKinds(kinds []chaos.Kind) string {
	switch len(kinds) {
	case 0:
		return "none"
	case len(chaos.Disturbances()):
		return "all"
	}
	words := make([]string, len(kinds))
	for i, k := range kinds {
		words[i] = k.String()
	}
	return strings.Join(words, ",")
}

func parseKinds(s string) ([]chaos.Kind, error) {
	switch s {
	case "none":
		return nil, nil
	case "all":
		return chaos.Disturbances(), nil
	}
	named := make([]bool, len(chaos.Kinds()))
	for word := range strings.SplitSeq(s, ",") {
		k, err := chaos.ParseKind(word)
		if err != nil {
			return nil, err
		}
		if k.Ends() || named[k] {
			return nil,
				fmt.Errorf("%s: name each kind that begins a fault once; the end of each fault is drawn with it", k)
		}
		named[k] = true
	}
	var out []chaos.Kind
	for _, k := range chaos.Kinds() {
		if named[k] {
			out = append(out, k)
		}
	}
	return out, nil
}

func formatOptions(list []Option) string {
	words := make([]string, len(list))
	for i, o := range list {
		words[i] = o.Key + "=" + o.Print()
	}
	return strings.Join(words, " ")
}

func parseOptions(list []Option, text string) error {
	given := make([]bool, len(list))
	for _, word := range strings.Fields(text) {
		key, value, ok := strings.Cut(word, "=")
		i := 0
		for i < len(list) && list[i].Key != key {
			i++
		}
		switch {
		case !ok:
			return fmt.Errorf("%q: options are written key=value, without spaces", word)
		case i == len(list):
			return fmt.Errorf("unknown option %q: use %s", key, optionKeys(list))
		case given[i]:
			return fmt.Errorf("%s is given twice: take one out", key)
		}
		if err := list[i].Parse(value); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
		given[i] = true
	}
	return nil
}

func optionKeys(list []Option) string {
	keys := make([]string, len(list))
	for i, o := range list {
		keys[i] = o.Key
	}
	return strings.Join(keys, ", ")
}
