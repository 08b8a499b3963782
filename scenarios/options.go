package scenarios

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"kvs/chaos"
	"kvs/node"
)

// option is one key=value of a line. Printing and parsing stand side by side, so that they cannot drift apart.
type option struct {
	key   string
	print func() string
	parse func(string) error
}

func intOption(key string, p *int) option {
	return option{key, func() string { return strconv.Itoa(*p) }, func(v string) error {
		n, err := parseCount(v)
		*p = n
		return err
	}}
}

func intRangeOption(key string, lo, hi *int) option {
	return option{key, func() string {
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

func durationOption(key string, p *time.Duration) option {
	return option{key, func() string { return chaos.FormatDuration(*p) }, func(v string) (err error) {
		*p, err = chaos.ParseDuration(v)
		return err
	}}
}

func rangeOption(key string, lo, hi *time.Duration) option {
	return option{key, func() string { return chaos.FormatRange(*lo, *hi) }, func(v string) (err error) {
		*lo, *hi, err = chaos.ParseRange(v)
		return err
	}}
}

func boolOption(key string, p *bool) option {
	return option{key, func() string {
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

func ratioOption(key string, p *int64) option {
	return option{key, func() string { return chaos.FormatRatio(*p) }, func(v string) (err error) {
		*p, err = chaos.ParseRatio(v)
		return err
	}}
}

func ppmRangeOption(key string, lo, hi *int64) option {
	return option{key, func() string {
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

func (w *Workload) options() []option {
	return []option{
		intOption("keys", &w.Keys),
		intOption("get", &w.Get), intOption("put", &w.Put), intOption("delete", &w.Delete), intOption("list", &w.List),
		intOption("cas", &w.CAS), intOption("cas-delete", &w.CASDelete),
		ratioOption("hot", &w.Hot),
		rangeOption("think", &w.Think, &w.ThinkMax),
		intRangeOption("value", &w.Value, &w.ValueMax),
		ratioOption("core", &w.Core), ratioOption("retry", &w.Retry),
		{"level", func() string {
			if w.Mixed {
				return levelMixed
			}
			return w.Level.String()
		}, func(v string) (err error) {
			if w.Mixed = v == levelMixed; w.Mixed {
				w.Level = node.Linearizable
				return nil
			}
			w.Level, err = node.ParseLevel(v)
			return err
		}},
		{"attach", func() string { return w.Attach.String() }, func(v string) (err error) {
			w.Attach, err = ParseAttach(v)
			return err
		}},
		rangeOption("ttl", &w.TTL, &w.TTLMax),
		durationOption("timeout", &w.Timeout),
	}
}

// levelMixed is the word for a workload of all levels: see Workload.Mixed.
const levelMixed = "mixed"

func linkOptions(l *chaos.Link) []option {
	return []option{
		rangeOption("delay", &l.Delay, &l.DelayMax),
		ratioOption("loss", &l.Loss), ratioOption("duplicate", &l.Duplicate), ratioOption("reorder", &l.Reorder),
		ratioOption("corrupt", &l.Corrupt),
	}
}

func (c *Clocks) options() []option {
	return []option{rangeOption("skew", &c.Skew, &c.SkewMax), ppmRangeOption("drift", &c.Drift, &c.DriftMax)}
}

func (d *Disk) options() []option {
	return []option{rangeOption("sync", &d.Sync, &d.SyncMax), boolOption("walk", &d.Walk), boolOption("busy", &d.Busy)}
}

func (t *Tuning) options() []option {
	return []option{durationOption("sync", &t.Sync), durationOption("hints", &t.Hints), durationOption("grace", &t.Grace), intOption("rate", &t.Rate), intOption("seeds", &t.Seeds),
		durationOption("max-clock-offset", &t.Clock)}
}

func (v *Voters) options() []option {
	return []option{intOption("first", &v.First), durationOption("operator", &v.Operator), ratioOption("churn", &v.Churn), ratioOption("depart", &v.Depart), boolOption("strong", &v.Strong)}
}

func (r *Random) options() []option {
	return []option{
		{"kinds", func() string { return formatKinds(r.Kinds) }, func(v string) (err error) {
			r.Kinds, err = parseKinds(v)
			return err
		}},
		durationOption("every", &r.Every),
		rangeOption("length", &r.Length, &r.LengthMax),
		{"majority", func() string { return majorityWords[boolIndex(r.KeepMajority)] }, func(v string) error {
			r.KeepMajority = v == majorityWords[1]
			if !r.KeepMajority && v != majorityWords[0] {
				return fmt.Errorf("%q: write lose or keep", v)
			}
			return nil
		}},
		boolOption("patterns", &r.Patterns),
	}
}

// majorityWords: may the plan leave less than a majority of the nodes undisturbed, or does it keep one.
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
			return nil, fmt.Errorf("%s: name each kind that begins a fault once; the end of each fault is drawn with it", k)
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

func formatOptions(list []option) string {
	words := make([]string, len(list))
	for i, o := range list {
		words[i] = o.key + "=" + o.print()
	}
	return strings.Join(words, " ")
}

func parseOptions(list []option, text string) error {
	given := make([]bool, len(list))
	for _, word := range strings.Fields(text) {
		key, value, ok := strings.Cut(word, "=")
		i := 0
		for i < len(list) && list[i].key != key {
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
		if err := list[i].parse(value); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
		given[i] = true
	}
	return nil
}

func optionKeys(list []option) string {
	keys := make([]string, len(list))
	for i, o := range list {
		keys[i] = o.key
	}
	return strings.Join(keys, ", ")
}
