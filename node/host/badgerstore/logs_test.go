package badgerstore

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// What was written after the last sync is cut off, whatever a crash has left of it, and what was synced stays.
func TestTransactionsAfterTheMark(t *testing.T) {
	entries := func(numbers ...uint64) (b []byte) {
		for _, number := range numbers {
			b = append(b, logEntryBytes("snumber", number, metaTransaction, "n")...)
			b = append(b, logEndBytes(number)...)
		}
		return b
	}
	log := func(numbers ...uint64) []byte { return append(make([]byte, logHeaderBytes), entries(numbers...)...) }
	one := len(entries(11))
	for name, c := range map[string]struct {
		tables uint64
		logs   [][]byte
		keep   []int // bytes of each log; -1: it is not cut.
		want   string
	}{
		"nothing after it": {10, [][]byte{log(11, 12)}, []int{-1}, ""},
		"one after it":     {10, [][]byte{log(11, 12, 13)}, []int{20 + 2*one}, ""},
		"a hole, and more": {
			10, [][]byte{append(append(log(11, 12), make([]byte, 64)...), entries(14)...)}, []int{20 + 2*one}, "",
		},
		"a later log": {10, [][]byte{log(11, 12), log(13)}, []int{-1, 0}, ""},
		"a later log without header": {
			10, [][]byte{log(11, 12), append(make([]byte, 9), entries(13)...)}, []int{-1, 0}, "",
		},
		"a later log that is short": {10, [][]byte{log(11, 12), {0, 0, 1}}, []int{-1, 0}, ""},
		"a table has it":            {12, [][]byte{append(make([]byte, 64), entries(14)...)}, []int{0}, ""},
		"a table has more":          {14, [][]byte{log(15)}, []int{0}, ""},
		"a hole before it": {
			10, [][]byte{append(append(log(), make([]byte, one)...), entries(12, 13)...)}, nil, "is lost",
		},
		"its end is missing": {10, [][]byte{log(11)}, nil, "12 to 12 are lost"},
		"it is in no log":    {10, nil, nil, "11 to 12 are lost"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for i, b := range c.logs {
				file := filepath.Join(dir, fmt.Sprintf("%05d.mem", i+1))
				require.NoError(t, os.WriteFile(file, append(append([]byte{}, b...), make([]byte, 100)...), 0o600))
			}
			span := &logSpan{upTo: 12, tables: c.tables}
			err := span.readLogs(dir)
			if err == nil {
				err = logsFit(span, &mark{last: 12, since: 1})
			}
			if c.want != "" {
				require.ErrorContains(t, err, c.want)
				return
			}
			require.NoError(t, err)
			require.NoError(t, span.cutLogs(dir))
			for i, keep := range c.keep {
				info, err := os.Stat(filepath.Join(dir, fmt.Sprintf("%05d.mem", i+1)))
				require.NoError(t, err)
				if keep < 0 {
					keep = len(c.logs[i]) + 100
				}
				require.Equal(t, keep, int(info.Size()), "log %d", i+1)
			}
		})
	}
}
