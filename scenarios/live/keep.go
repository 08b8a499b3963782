package live

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"kvs/linearize"
	"kvs/sim/scenario"
)

// Keep writes the results of a run into an existing folder: the scenario with its plan, the history if there is one,
// the verdict, a page about the history if there is an operation to look at, and the log of every node from logs, which
// may be nil.
func Keep(dir string, s scenario.Scenario, res *Result, logs func(node int) (string, error)) error {
	write := func(name string, fill func(f *os.File) error) error {
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		return errors.Join(fill(f), f.Close())
	}
	s.Seed = res.Seed
	errs := []error{
		write(filepath.Base(s.Name)+".scenario", func(f *os.File) error {
			_, err := f.WriteString(s.String())
			return err
		}),
		write("report.txt", func(f *os.File) (err error) {
			if res.Void != "" {
				fmt.Fprintln(f, "VOID", res.Void)
			}
			for _, v := range res.Violations {
				fmt.Fprintln(f, "VIOLATION", v)
			}
			_, err = fmt.Fprintln(f, res)
			return err
		}),
	}
	if res.History != nil {
		errs = append(errs, write("history.jsonl", func(f *os.File) error { return linearize.Write(f, res.History) }))
	}
	judged := res.Linearized
	if judged == nil && res.History != nil {
		// no promise is judged, but it may show where to look.
		judged = linearize.Check(res.History, linearize.Options{})
	}
	if judged != nil && judged.Offending >= 0 && judged.Problem == "" {
		errs = append(errs, write("history.html", func(f *os.File) error { return judged.WriteHTML(f) }))
	}
	for i := 1; i <= s.Nodes && logs != nil; i++ {
		text, err := logs(i)
		errs = append(errs, err, write(fmt.Sprintf("n%d.log", i), func(f *os.File) error {
			_, err := f.WriteString(text)
			return err
		}))
	}
	return errors.Join(errs...)
}
