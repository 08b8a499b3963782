package access

import (
	"fmt"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTheLongestPrefixDecidesAndDenyWins(t *testing.T) {
	rules := Rules{
		{Prefix: "", Allow: []Right{Read}},
		{Prefix: "a", Allow: []Right{Read, Write}, Deny: []Right{List}},
		{Prefix: "a/secret/", Deny: []Right{Read, Write}},
		{Prefix: "a/secret/mine", Allow: []Right{Read}},
		{Prefix: "b/", Allow: []Right{List, Read}},
		{Prefix: "b", Deny: []Right{Read}},
	}
	for _, c := range []struct {
		right Right
		path  string
		want  bool
	}{
		{Read, "x", true}, {Write, "x", false}, {List, "", false}, {Read, "", true},
		{Read, "a", true}, {Write, "a", true}, {Write, "a/b/c", true}, {Write, "ab", false}, {List, "a/", false},
		{Read, "a/secret", false}, {Read, "a/secret/x", false}, {Read, "a/secrets", true},
		{Write, "a/secret/mine", false},
		{Read, "a/secret/mine", true}, {Read, "a/secret/mine/x", true}, {Read, "a/secret/mines", false},
		{List, "b", true}, {List, "b/c/", true}, {Read, "b/c", false}, {List, "c", false}, {Admin, "", false},
		{Watch, "a", false},
	} {
		require.Equal(t, c.want, rules.Allow(c.right, c.path), "%s %q", c.right, c.path)
	}
	require.True(t, Everything().Allow(Admin, ""))
	require.True(t, rules.Any(Write))
	require.False(t, rules.Any(Watch))
	for want, bad := range map[string]Rules{
		"0 rules": {}, "neither": {{Prefix: "a"}}, "none of": {{Allow: []Right{"king"}}},
		"at the root": {{Prefix: "a", Allow: []Right{Admin}}},
	} {
		require.ErrorContains(t, bad.Check(), want)
	}
	require.NoError(t, rules.Check())
}

func TestTokensAreKnownByTheirHash(t *testing.T) {
	now := time.Unix(1000, 0)
	id, err := NewID()
	require.NoError(t, err)
	token, hash, err := NewSecret(id)
	require.NoError(t, err)
	table, err := (&Table{}).With(Entry{ID: id, Name: "ci", Hash: hash.String(), Rules: Everything(), Created: now,
		Expires: now.Add(time.Hour)}, now)
	require.NoError(t, err)
	content, err := table.Encode()
	require.NoError(t, err)
	require.NotContains(t, string(content), strings.Split(token, ".")[2])
	table, err = Parse(content)
	require.NoError(t, err)

	gotID, gotHash, err := Split(token)
	require.NoError(t, err)
	e, ok := table.Authenticate(gotID, gotHash, now)
	require.True(t, ok)
	require.Equal(t, "ci", e.Name)
	_, ok = table.Authenticate(gotID, gotHash, now.Add(time.Hour))
	require.False(t, ok, "it has ended")
	_, wrong, err := Split("kvs1." + id + ".x")
	require.NoError(t, err)
	_, ok = table.Authenticate(id, wrong, now)
	require.False(t, ok)
	_, ok = table.Authenticate("other", hash, now)
	require.False(t, ok)
	_, ok = table.Authenticate("other", Hash{}, now)
	require.False(t, ok, "the zero hash is nobody's")

	table, err = table.With(Entry{ID: CertificateID("x"), Name: "x", Certificate: true, Rules: Everything()}, now)
	require.NoError(t, err)
	_, ok = table.Authenticate(CertificateID("x"), Hash{}, now)
	require.False(t, ok, "an entry for a certificate is no token")
	table, err = table.Without(id)
	require.NoError(t, err)
	require.Len(t, table.Entries, 1)
	_, err = table.Without(id)
	require.ErrorIs(t, err, ErrNoEntry)
	for _, bad := range []string{"", "kvs1", "kvs1..x", "kvs1.a.", "kvs2.a.b", "kvs1.A.b", "kvs1.cert:x.b",
		"kvs1.a.b.c", "kvs1." + strings.Repeat("a", 65) + ".b"} {
		_, _, err := Split(bad)
		require.ErrorIs(t, err, ErrNoToken, bad)
	}
	_, err = Parse([]byte(`{"version":2,"tokens":[]}`))
	require.ErrorContains(t, err, "version 2")
}

// FuzzRules compares the decision with a second implementation, and the borders with the decisions beside them.
func FuzzRules(f *testing.F) {
	f.Add("a a/b b", "a/b/c", uint16(0b1001_0110))
	f.Add("a/ a", "a", uint16(0b01_10))
	f.Fuzz(func(t *testing.T, prefixes, path string, bits uint16) {
		var rules Rules
		for i, p := range strings.Split(prefixes, " ") {
			if i >= 8 {
				break
			}
			rule := Rule{Prefix: p}
			if bits>>(2*i)&1 != 0 {
				rule.Allow = []Right{List}
			}
			if bits>>(2*i)&2 != 0 {
				rule.Deny = []Right{List}
			}
			rules = append(rules, rule)
		}
		require.Equal(t, slowAllow(rules, path), rules.Allow(List, path), "%v %q", rules, path)

		borders := rules.Borders(List)
		require.True(t, sort.StringsAreSorted(borders))
		paths := []string{path, path + "x", path + "/y"}
		for i := range rules {
			p := strings.TrimSuffix(rules[i].Prefix, "/")
			paths = append(paths, p, p+"/x", p+"-", p+"0", p+"x")
		}
		slices.Sort(paths)
		for i := 1; i < len(paths); i++ {
			lo, hi := paths[i-1], paths[i]
			if strings.HasSuffix(lo, "/") || strings.HasSuffix(hi, "/") || lo == "" {
				continue // no paths of values.
			}
			if rules.Allow(List, lo) != rules.Allow(List, hi) {
				require.True(t, slices.ContainsFunc(borders, func(b string) bool { return lo < b && b <= hi }),
					fmt.Sprintf("no border between %q and %q: %q", lo, hi, borders))
			}
		}
	})
}

// slowAllow walks up from the path to the root: the first directory with a rule decides.
func slowAllow(rules Rules, path string) bool {
	path = strings.TrimSuffix(path, "/")
	for {
		found, denied := false, false
		for _, r := range rules {
			if strings.TrimSuffix(r.Prefix, "/") == path && len(r.Allow)+len(r.Deny) > 0 {
				found = true
				denied = denied || len(r.Deny) > 0
			}
		}
		if found {
			return !denied
		}
		if path == "" {
			return false
		}
		path = path[:max(strings.LastIndexByte(path, '/'), 0)]
	}
}
