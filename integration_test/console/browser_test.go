package console

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// folder is for what the tests share.
var folder string

// chrome is the browser that all tests share, with a profile of each one's own; nil: there is none.
var chrome context.Context

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	var err error
	if folder, err = os.MkdirTemp("", "console"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(folder)
	path := browserPath()
	if path == "" {
		return m.Run()
	}
	options := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(path), chromedp.Headless, chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck,
		chromedp.DisableGPU,
		chromedp.NoSandbox,        // containers run tests as root.
		chromedp.IgnoreCertErrors, // the authority of a test cluster.
		chromedp.WindowSize(1280, 900), chromedp.Flag("hide-scrollbars", true),
		chromedp.Flag("disable-dev-shm-usage", true), chromedp.Flag("disable-background-networking", true),
	}
	allocator, endBrowser := chromedp.NewExecAllocator(context.Background(), options...)
	defer endBrowser()
	ctx, endContext := chromedp.NewContext(allocator)
	defer endContext()
	if err := chromedp.Do(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "the browser does not start:", err)
		return 1
	}
	chrome = ctx
	return m.Run()
}

// browserPath is the browser to use; empty: there is none.
func browserPath() string {
	for _, name := range []string{os.Getenv("KVS_BROWSER"), "chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); name != "" && err == nil {
			return path
		}
	}
	return ""
}

// needBrowser skips the test without a browser, and fails it where one is required.
func needBrowser(t *testing.T) {
	t.Helper()
	if chrome == nil && os.Getenv("KVS_REQUIRE_BROWSER") != "" {
		t.Fatal("there is no browser, and KVS_REQUIRE_BROWSER is set: install chromium, or name one in KVS_BROWSER")
	}
	if chrome == nil {
		t.Skip("NO BROWSER: install chromium, or name one in KVS_BROWSER")
	}
}

// watchful is run before the scripts of each page. It keeps what went wrong there: violations of the content security
// policy, errors of scripts, and alerts, which only a value that was run could open.
const watchful = `
window.trouble = [];
addEventListener("securitypolicyviolation", (e) => trouble.push("policy: " + e.violatedDirective + " " + e.blockedURI));
addEventListener("error", (e) => trouble.push("error: " + (e.message ?? e.target)), true);
addEventListener("unhandledrejection", (e) => trouble.push("rejection: " + (e.reason?.stack ?? e.reason)));
window.alert = (text) => trouble.push("alert: " + text);
`

// tab is a page in a browser profile of its own.
type tab struct {
	t   *testing.T
	ctx context.Context
}

// open opens an address in a new profile. When the test ends, nothing may have gone wrong in the page.
func open(t *testing.T, address string) *tab {
	t.Helper()
	needBrowser(t)
	ctx, end := chromedp.NewContext(chrome, chromedp.WithNewBrowserContext())
	p := &tab{t, ctx}
	t.Cleanup(func() {
		if t.Failed() {
			p.picture("failed-" + strings.ReplaceAll(t.Name(), "/", "-"))
			t.Log(p.text("body"))
		} else {
			p.harmless()
		}
		end()
	})
	_, err := chromedp.Call(ctx, page.AddScriptToEvaluateOnNewDocument,
		page.AddScriptToEvaluateOnNewDocumentParams{Source: watchful})
	require.NoError(t, err)
	p.do(chromedp.Navigate(address))
	return p
}

// harmless demands that nothing has gone wrong in the page.
func (p *tab) harmless() {
	p.t.Helper()
	require.Empty(p.t, js[[]string](p, `window.trouble ?? []`))
}

func (p *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	require.NoError(p.t, chromedp.Do(ctx, steps...))
}

// js is what an expression is in the page.
func js[T any](p *tab, expression string) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	require.NoError(p.t, err, expression)
	return v
}

// wait waits until an expression is true in the page.
func (p *tab) wait(expression string) {
	p.t.Helper()
	eventually(p.t, expression, func() bool { return js[bool](p, "!!("+expression+")") })
}

// sees waits until the page shows a text.
func (p *tab) sees(text string) {
	p.t.Helper()
	p.wait(fmt.Sprintf("document.body.innerText.includes(%q)", text))
}

// text is what an element shows.
func (p *tab) text(selector string) string {
	p.t.Helper()
	return js[string](p, fmt.Sprintf("document.querySelector(%q)?.innerText ?? ''", selector))
}

// xpath of what has this text: exactly, without the space around it.
func xpath(names, text string) string {
	var parts []string
	for name := range strings.SplitSeq(names, " ") {
		parts = append(parts, fmt.Sprintf("//%s[normalize-space()=%q]", name, text))
	}
	return strings.Join(parts, " | ")
}

// press clicks the button or link with this text, with the mouse.
func (p *tab) press(text string) {
	p.t.Helper()
	p.do(chromedp.Click(xpath("button a", text), chromedp.NodeVisible))
}

// item clicks the item of the tree with this name.
func (p *tab) item(name string) {
	p.t.Helper()
	p.do(chromedp.Click(xpath("*[@role='treeitem']//span[@class='name']", name), chromedp.NodeVisible))
}

// fill types a text into the control with this label, in place of what is there.
func (p *tab) fill(label, text string) {
	p.t.Helper()
	control := fmt.Sprintf("[...document.querySelectorAll('label')].find((l) => l.textContent === %q)?.control", label)
	p.wait(control)
	js[bool](p, fmt.Sprintf("(() => { const c = %s; c.focus(); c.select(); return true; })()", control))
	if text == "" {
		p.keys("\b")
		return
	}
	p.keys(text)
}

// keys types on the keyboard, wherever the focus is.
func (p *tab) keys(keys string) {
	p.t.Helper()
	p.do(chromedp.KeyEvent(keys))
}

// scheme emulates a colour scheme, light or dark.
func (p *tab) scheme(name string) {
	p.t.Helper()
	_, err := chromedp.Call(p.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}}})
	require.NoError(p.t, err)
}

// size emulates a window.
func (p *tab) size(width, height int64) {
	p.t.Helper()
	p.do(chromedp.EmulateViewport(width, height))
	p.wait(fmt.Sprintf("innerWidth === %d", width))
}

// picture keeps a picture of the whole page, if somebody wants pictures.
func (p *tab) picture(name string) {
	dir := os.Getenv("KVS_CONSOLE_PICTURES")
	if dir == "" {
		return
	}
	ctx, cancel := context.WithTimeout(p.ctx, 10*time.Second)
	defer cancel()
	png, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err == nil {
		err = os.MkdirAll(dir, 0o755)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644)
	}
	if err != nil {
		p.t.Logf("no picture %s: %v", name, err)
	}
}

// fits demands that nothing is wider than the window.
func (p *tab) fits() {
	p.t.Helper()
	wide := js[string](p, `document.documentElement.scrollWidth <= innerWidth ? "" :
		[...document.querySelectorAll("body *")].filter((e) => e.getBoundingClientRect().right > innerWidth + 1)
			.map((e) => e.outerHTML.slice(0, 80)).join("\n")`)
	require.Empty(p.t, wide, "wider than the window at %s", js[string](p, "location.hash"))
}

// named are the roles of which each element needs a name for people who do not see it.
var named = map[string]bool{"button": true, "link": true, "textbox": true, "checkbox": true, "treeitem": true,
	"tree": true, "dialog": true, "navigation": true, "searchbox": true}

// accessible demands that every control has a name, and that the page has its landmarks.
func (p *tab) accessible() {
	p.t.Helper()
	tree, err := chromedp.Call(p.ctx, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{})
	require.NoError(p.t, err)
	roles := map[string]int{}
	for _, n := range tree.Nodes {
		if n.Ignored || n.Role == nil {
			continue
		}
		role := strings.Trim(string(n.Role.Value), `"`)
		roles[role]++
		if named[role] {
			require.False(p.t, n.Name == nil || len(n.Name.Value) <= len(`""`), "%s: a %s without a name",
				js[string](p, "location.hash"), role)
		}
	}
	for _, landmark := range []string{"banner", "navigation", "main"} {
		require.Equal(p.t, 1, roles[landmark], landmark)
	}
	require.Positive(p.t, roles["heading"])
	require.Equal(p.t, 1, js[int](p, `document.querySelectorAll("h1").length`), "headings of the first level")
}

// downloads lets the page save files, and returns where.
func (p *tab) downloads() string {
	p.t.Helper()
	dir := p.t.TempDir()
	_, err := chromedp.CallBrowser(p.ctx, browser.SetDownloadBehavior, browser.SetDownloadBehaviorParams{
		Behavior: browser.SetDownloadBehaviorBehaviorAllow, DownloadPath: dir,
		BrowserContextID: chromedp.FromContext(p.ctx).BrowserContextID})
	require.NoError(p.t, err)
	return dir
}
