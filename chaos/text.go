package chaos

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// The words of plans and scenarios. Each Format prints what the Parse beside it reads, to the same value.

var durationUnits = [...]struct {
	name string
	unit time.Duration
}{{"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}, {"ms", time.Millisecond}, {"us", time.Microsecond}}

// FormatDuration prints d as a whole number of the largest unit that takes it exactly: 1500ms, 90s, 5m. People write
// durations so, and time.Duration's own "1m30s" or "5m0s" would not give back the text of a plan.
func FormatDuration(d time.Duration) string {
	if d == 0 {
		return "0s"
	}
	for _, u := range durationUnits {
		if d%u.unit == 0 {
			return strconv.FormatInt(int64(d/u.unit), 10) + u.name
		}
	}
	return strconv.FormatInt(int64(d), 10) + "ns"
}

func formatOffset(d time.Duration) string {
	if d < 0 {
		return FormatDuration(d)
	}
	return "+" + FormatDuration(d)
}

// ParseDuration reads 1500ms, 1.5s, -5m, 1h30m; at most DurationMax either way.
func ParseDuration(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, fmt.Errorf("%q is no duration: write for example 1500ms, 2s or -5m", s)
	}
	if d > DurationMax || d < -DurationMax {
		return 0, fmt.Errorf("duration %s is beyond %s", s, FormatDuration(DurationMax))
	}
	return d, nil
}

// FormatRange prints lo..hi, or one duration when they are equal.
func FormatRange(lo, hi time.Duration) string {
	if lo == hi {
		return FormatDuration(lo)
	}
	return FormatDuration(lo) + ".." + FormatDuration(hi)
}

// ParseRange reads 50ms..200ms, or 50ms for a range of one value. The ends must be in order and not negative.
func ParseRange(s string) (lo, hi time.Duration, err error) {
	first, second, isRange := strings.Cut(s, "..")
	if lo, err = ParseDuration(first); err != nil {
		return 0, 0, err
	}
	hi = lo
	if isRange {
		if hi, err = ParseDuration(second); err != nil {
			return 0, 0, err
		}
	}
	if lo < 0 || hi < lo {
		return 0, 0, fmt.Errorf("range %s: write the smaller end first, nothing negative", s)
	}
	return lo, hi, nil
}

// ratioDigits is the number of decimals that a percentage in whole parts per million can have.
const ratioDigits = 4

// FormatRatio prints parts per million as a percentage: 300000 is 30%, 1000 is 0.1%, 1 is 0.0001%.
func FormatRatio(ppm int64) string {
	if ppm < 0 {
		return "-" + FormatRatio(-ppm)
	}
	whole, part := ppm/10_000, ppm%10_000
	if part == 0 {
		return fmt.Sprintf("%d%%", whole)
	}
	return strings.TrimRight(fmt.Sprintf("%d.%0*d", whole, ratioDigits, part), "0") + "%"
}

// ParseRatio reads a percentage between 0% and 100% with up to four decimals, into parts per million. It works on
// digits: a float would make 0.1% depend on rounding.
func ParseRatio(s string) (int64, error) {
	bad := fmt.Errorf("%q is no share: write for example 30%% or 0.1%%, at most %d decimals", s, ratioDigits)
	digits, ok := strings.CutSuffix(s, "%")
	if !ok {
		return 0, bad
	}
	whole, part, dot := strings.Cut(digits, ".")
	if whole == "" || len(whole) > 3 || dot && part == "" || len(part) > ratioDigits {
		return 0, bad
	}
	part += strings.Repeat("0", ratioDigits-len(part))
	n, err := strconv.ParseUint(whole+part, 10, 32)
	if err != nil || n > PPMAll {
		return 0, bad
	}
	return int64(n), nil
}

// ParsePPM reads a clock rate such as +200ppm or -50ppm.
func ParsePPM(s string) (int64, error) {
	digits, ok := strings.CutSuffix(s, "ppm")
	n, err := strconv.ParseInt(digits, 10, 32)
	if !ok || err != nil {
		return 0, fmt.Errorf("%q is no rate: write for example +200ppm or -50ppm", s)
	}
	return n, nil
}

// FormatNodes prints 1, 2, 3 as n1,n2,n3.
func FormatNodes(nodes []int) string {
	words := make([]string, len(nodes))
	for i, n := range nodes {
		words[i] = "n" + strconv.Itoa(n)
	}
	return strings.Join(words, ",")
}

// ParseNodes reads n1,n2,n3.
func ParseNodes(s string) ([]int, error) {
	var out []int
	for word := range strings.SplitSeq(s, ",") {
		word = strings.TrimSpace(word)
		if len(word) != 2 || word[0] != 'n' || word[1] < '1' || word[1] > '0'+NodesMax {
			return nil, fmt.Errorf("%q is no node: nodes are n1 to n%d", word, NodesMax)
		}
		out = append(out, int(word[1]-'0'))
	}
	return out, nil
}
