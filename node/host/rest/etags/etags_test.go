package etags

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParse(t *testing.T) {
	for list, want := range map[string][]string{
		`"a"`: {`"a"`}, ` , "a" ,,W/"b"	, *`: {`"a"`, `W/"b"`, "*"}, `"a,b","c d"`: {`"a,b"`, `"c d"`}, `""`: {`""`},
		"*": {"*"},
	} {
		got, err := Parse(list)
		require.NoError(t, err, list)
		require.Equal(t, want, got, list)
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{``, `*`, `"a"`, `W/"a" , "b,c"`, `"`, `W/`, `W`, "a\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, list string) {
		tags, err := Parse(list)
		if err != nil {
			return
		}
		again, err := Parse(strings.Join(tags, ","))
		require.NoError(t, err)
		require.Equal(t, tags, again)
	})
}
