package linearize

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// goodKeysShownMax bounds the linearizable keys in a report. The others are all listed.
const goodKeysShownMax = 20

// Judge reads a history from r, checks it, and writes a report to w: Summary on the first line, then a table of the
// keys. The error is about reading or writing; the verdict is in the result.
func Judge(r io.Reader, w io.Writer, opt Options) (*Result, error) {
	h, err := Read(r)
	if err != nil {
		return nil, err
	}
	res := Check(h, opt)
	if err := res.WriteReport(w); err != nil {
		return nil, fmt.Errorf("history report: %w", err)
	}
	return res, nil
}

// Summary is the verdict and its reason on one line.
func (res *Result) Summary() string {
	if res.Problem != "" {
		return fmt.Sprintf("%s: this is not a valid history: %s", res.Verdict, res.Problem)
	}
	if res.Nothing != "" {
		return "nothing judged: " + res.Nothing
	}
	var bad, undecided int
	for i := range res.Keys {
		switch res.Keys[i].Verdict {
		case Violation:
			bad++
		case Undecided:
			undecided++
		}
	}
	s := fmt.Sprintf("%s: %d keys (%d violation, %d undecided), %d operations (%d ok, %d fail, %d info)",
		res.Verdict, len(res.Keys), bad, undecided, res.Counts.Total, res.Counts.OK, res.Counts.Fail, res.Counts.Info)
	if res.Offending >= 0 {
		k := &res.Keys[res.Offending]
		s += fmt.Sprintf("; key %q, %s: %s", k.Path, k.Evidence.Rule, k.Evidence.Text)
	}
	return s
}

// good is the word for keys without fault.
func (res *Result) good() Verdict {
	for i := range res.Keys {
		if v := res.Keys[i].Verdict; v == Linearizable || v == Known {
			return v
		}
	}
	return Linearizable
}

// WriteReport writes Summary and a table of the keys. The layout is for people and may change.
func (res *Result) WriteReport(w io.Writer) error {
	if _, err := fmt.Fprintln(w, res.Summary()); err != nil {
		return err
	}
	if len(res.Keys) == 0 {
		return nil
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "KEY\tVERDICT\tRULE\tOPERATIONS\tOK\tFAIL\tINFO\tSEARCHED\tUNIQUE VALUES")
	good, hidden := 0, 0
	for i := range res.Keys {
		k := &res.Keys[i]
		if k.Verdict == Linearizable || k.Verdict == Known {
			if good++; good > goodKeysShownMax {
				hidden++
				continue
			}
		}
		rule, unique := string(k.Evidence.Rule), "yes"
		if rule == "" {
			rule = "-"
		}
		if !k.Unique {
			unique = "no"
		}
		fmt.Fprintf(t, "%q\t%s\t%s\t%d\t%d\t%d\t%d\t%d\t%s\n",
			k.Path, k.Verdict, rule, k.Counts.Total, k.Counts.OK, k.Counts.Fail, k.Counts.Info, k.Searched, unique)
	}
	if err := t.Flush(); err != nil { // the tabwriter remembers nothing before; it writes here.
		return err
	}
	if hidden > 0 {
		if _, err := fmt.Fprintf(w, "and %d more %s keys\n", hidden, res.good()); err != nil {
			return err
		}
	}
	return nil
}
