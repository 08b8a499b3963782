package console

import (
	"fmt"
	"math"
	"path"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// dangerous are ways in which a string becomes markup or a script, and ways out to other places.
var dangerous = []*regexp.Regexp{
	regexp.MustCompile(`(?i)(inner|outer)HTML|insertAdjacentHTML|setHTML|srcdoc`),
	regexp.MustCompile(`createContextualFragment|parseFromString`),
	regexp.MustCompile(`\bdocument\.write|\beval\b|\bnew Function\b|\bDOMParser\b|\bimport\(`),
	regexp.MustCompile(`(?i)\bset(Timeout|Interval)\(\s*["'` + "`" + `]`),
	regexp.MustCompile(`(?i)javascript:|<script(?: [^>]*)?>[^<]`),
	regexp.MustCompile(`(?i)\son[a-z]+\s*=\s*["']`),     // a handler in the markup.
	regexp.MustCompile(`(?i)\sstyle\s*=\s*["']|<style`), // the policy would ignore it.
	regexp.MustCompile(`document\.cookie|localStorage`),
	regexp.MustCompile(`(?i)["'(]\s*(https?:)?//[a-z0-9]`), // another origin.
	regexp.MustCompile(`(?i:@import)|\burl\(`),
}

// checkAsset returns what a file does that it must not.
func checkAsset(name, text string) (violations []string) {
	if path.Ext(name) == ".svg" {
		text = strings.Replace(text, `"http://www.w3.org/2000/svg"`, "", 1) // a name, not an address.
	}
	for _, d := range dangerous {
		for _, m := range d.FindAllString(text, -1) {
			violations = append(violations, fmt.Sprintf("%s: %q", name, m))
		}
	}
	return violations
}

// No value of the cluster can become markup or a script, and the page loads nothing from elsewhere.
func TestAssetsAreHarmless(t *testing.T) {
	for name, f := range files {
		require.Empty(t, checkAsset(name, string(f.content)))
	}
	for _, planted := range []string{
		`node.innerHTML = value`, `node["outerHTML"] = v`, `n.insertAdjacentHTML("x", v)`, `document.write(v)`,
		`eval(v)`, `range.createContextualFragment(v)`,
		`new Function(v)`, `setTimeout("f()", 1)`, `<a href="javascript:f()">`, `<script>f()</script>`,
		`<img src=x onerror="f()">`, `<p style="color: red">`, `<style>`, `document.cookie`, `localStorage.x`,
		`src="https://elsewhere.example/x.js"`, `fetch("//elsewhere.example")`, `@import "x"`, `url(x.png)`,
		`import(name)`, `new DOMParser()`,
	} {
		require.NotEmpty(t, checkAsset("planted.js", planted), planted)
	}
}

var (
	reference = regexp.MustCompile(`(?:src|href)="/ui/([^"]+)"`)
	imported  = regexp.MustCompile(`(?m)^import .* from "\./([^"]+)";$`)
)

// Every file that the page and its modules name is there, and every file is named.
func TestAssetsAreComplete(t *testing.T) {
	named := map[string]bool{"index.html": true}
	for name, f := range files {
		require.NotEmpty(t, f.content, name)
		require.Regexp(t, `^"[0-9a-f]{32}"$`, f.etag)
		for _, m := range append(reference.FindAllSubmatch(f.content, -1), imported.FindAllSubmatch(f.content, -1)...) {
			require.Contains(t, files, string(m[1]), name)
			named[string(m[1])] = true
		}
	}
	require.Len(t, named, len(files))
}

var (
	scheme   = regexp.MustCompile(`(?s):root \{(.*?)\}`)
	variable = regexp.MustCompile(`--([a-z-]+): (#[0-9a-f]{3,6});`)
)

// luminance is the relative luminance of a colour, as WCAG 2.2 defines it.
func luminance(t *testing.T, colour string) float64 {
	t.Helper()
	hex := strings.TrimPrefix(colour, "#")
	if len(hex) == 3 {
		hex = strings.Join([]string{hex[:1], hex[:1], hex[1:2], hex[1:2], hex[2:], hex[2:]}, "")
	}
	n, err := strconv.ParseUint(hex, 16, 32)
	require.NoError(t, err, colour)
	linear := func(shift uint) float64 {
		c := float64(n>>shift&0xff) / 255
		if c <= 0.04045 {
			return c / 12.92
		}
		return math.Pow((c+0.055)/1.055, 2.4)
	}
	return 0.2126*linear(16) + 0.7152*linear(8) + 0.0722*linear(0)
}

// Text can be read, and the edges of controls seen, in both colour schemes: the contrasts that WCAG 2.2 asks for at its
// level AA (success criteria 1.4.3 and 1.4.11).
func TestContrast(t *testing.T) {
	schemes := scheme.FindAllSubmatch(files["style.css"].content, -1)
	require.Len(t, schemes, 2, "light and dark")
	for i, s := range schemes {
		colours := map[string]string{}
		for _, m := range variable.FindAllSubmatch(s[1], -1) {
			colours[string(m[1])] = string(m[2])
		}
		pairs := []struct {
			ink, ground string
			least       float64
		}{
			{"ink", "ground", 4.5}, {"ink", "card", 4.5}, {"ink", "code", 4.5}, {"ink", "chosen", 4.5},
			{"card", "ink", 4.5}, {"quiet", "ground", 4.5}, {"quiet", "card", 4.5}, {"quiet", "code", 4.5},
			{"quiet", "chosen", 4.5}, {"accent", "card", 4.5}, {"accent", "ground", 4.5}, {"accent", "chosen", 4.5},
			{"accent", "code", 4.5}, {"accent-ink", "accent", 4.5}, {"fine", "fine-ground", 4.5},
			{"warning", "warning-ground", 4.5}, {"problem", "problem-ground", 4.5}, {"problem", "card", 4.5},
			{"problem", "code", 4.5}, {"field", "card", 3},
		}
		for _, p := range pairs {
			require.Contains(t, colours, p.ink)
			require.Contains(t, colours, p.ground)
			a, b := luminance(t, colours[p.ink]), luminance(t, colours[p.ground])
			contrast := (max(a, b) + 0.05) / (min(a, b) + 0.05)
			require.GreaterOrEqual(t, contrast, p.least, "scheme %d: %s on %s", i, p.ink, p.ground)
		}
	}
	require.InDelta(t, 1, luminance(t, "#fff"), 1e-9)
	require.Zero(t, luminance(t, "#000000"))
}
