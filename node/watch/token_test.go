package watch

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTokens(t *testing.T) {
	for _, want := range []Token{
		{Member: 1}, {Member: 1, Log: 2, Target: 3, Position: 4},
		{Member: 1 << 63, Log: 1<<64 - 1, Target: 1<<32 - 1, Position: 1<<64 - 1, Within: true, After: "a-b/\x00"},
		{Member: 1, Within: true},
	} {
		got, err := ParseToken(want.String())
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	require.Equal(t, "1-0000000000000001-0000000000000002-00000003-4", Token{Member: 1, Log: 2, Target: 3,
		Position: 4}.String(), "clients keep tokens over an upgrade: another form is another version")
	for _, text := range []string{"", "1", "2-0000000000000001-0000000000000002-00000003-4",
		"1-0000000000000001-0000000000000002-00000003-04", "1-0000000000000001-0000000000000002-00000003-4-!",
		"1-0000000000000001-0000000000000002-00000003--4"} {
		_, err := ParseToken(text)
		require.Error(t, err, text)
	}
}

func FuzzParseToken(f *testing.F) {
	f.Add("1-0000000000000001-0000000000000002-00000003-4-YQ")
	f.Fuzz(func(t *testing.T, s string) {
		if token, err := ParseToken(s); err == nil {
			require.Equal(t, s, token.String())
		}
	})
}
