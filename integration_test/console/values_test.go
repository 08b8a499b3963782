package console

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"
)

func testEdit(t *testing.T, c *cluster) {
	p := open(t, c.page(0)+"#/keys/")
	p.press("New value")
	p.fill("Path", "shop/orders/1")
	p.fill("Value", "first")
	p.picture("create-light")
	p.press("Create")
	p.sees("shop/orders/1 is stored.")
	require.Equal(t, "first", c.get(0, "shop/orders/1"))
	p.wait(`document.querySelector("pre.value")?.textContent === "first"`)
	p.wait(`document.querySelector("[aria-selected=true] .name").textContent === "1"`)
	p.accessible()

	// There is a value now: it is not replaced by a second creation.
	p.press("New value")
	p.fill("Path", "shop/orders/1")
	p.fill("Value", "again")
	p.press("Create")
	p.sees("There is a value at this path already")
	require.Equal(t, "first", c.get(0, "shop/orders/1"))
	p.press("Open it")
	p.sees("Leave without saving?")
	p.press("Leave")

	p.wait(`document.querySelector("pre.value")?.textContent === "first"`)
	p.press("Edit")
	p.fill("Value", "second")
	p.press("Save")
	p.wait(`document.querySelector("pre.value")?.textContent === "second"`)
	p.sees("The value is stored.")
	require.Equal(t, "second", c.get(0, "shop/orders/1"))

	fasterThan(t, c, p)
	deleted(t, c, p)
}

// fasterThan changes the value that p edits: nothing is lost on either side.
func fasterThan(t *testing.T, c *cluster, p *tab) {
	t.Helper()
	p.press("Edit")
	p.fill("Value", "mine")
	c.put(0, "shop/orders/1", "theirs", "text/plain")
	p.press("Save")
	p.sees("Another client was faster")
	require.Equal(t, "theirs", c.get(0, "shop/orders/1"))
	require.Equal(t, "mine", js[string](p, `document.querySelector("textarea").value`))
	p.press("Show theirs")
	p.sees("theirs")
	p.picture("faster-light")
	p.press("Store mine in its place")
	p.wait(`document.querySelector("pre.value")?.textContent === "mine"`)
	require.Equal(t, "mine", c.get(0, "shop/orders/1"))

	p.press("Edit")
	p.fill("Value", "mine again")
	c.put(0, "shop/orders/1", "theirs again", "text/plain")
	p.press("Save")
	p.sees("Another client was faster")
	p.press("Reload, drop mine")
	p.wait(`document.querySelector("pre.value")?.textContent === "theirs again"`)

}

// deleted deletes the value that p shows. A deletion is guarded too.
func deleted(t *testing.T, c *cluster, p *tab) {
	t.Helper()
	c.put(0, "shop/orders/1", "newer", "text/plain")
	p.press("Delete…")
	p.press("Delete")
	p.sees("Another client was faster")
	require.Equal(t, "newer", c.get(0, "shop/orders/1"))
	p.press("Reload, drop mine")
	p.wait(`document.querySelector("pre.value")?.textContent === "newer"`)
	p.press("Delete…")
	p.sees("Delete 1?")
	p.picture("delete-light")
	p.press("Cancel")
	require.Equal(t, "newer", c.get(0, "shop/orders/1"))
	p.press("Delete…")
	p.press("Delete")
	p.sees("There is no value at this path")
	require.Empty(t, c.get(0, "shop/orders/1"))
	p.wait(`![...document.querySelectorAll("[role=treeitem] .name")].some((n) => n.textContent === "shop/")`)
}

// A value is text, whatever it says it is: in the console, and when a browser opens it as a page of the node.
func testHostile(t *testing.T, c *cluster) {
	p := open(t, c.page(0)+"#/keys/pages/hostile.html")
	p.wait(fmt.Sprintf(`document.querySelector("pre.value")?.textContent === %q`, hostile))
	require.Zero(t, js[int](p, `document.querySelectorAll("main img, main script, main b").length`))
	p.press("Edit")
	require.Equal(t, hostile, js[string](p, `document.querySelector("textarea").value`))
	p.press("Cancel")
	path := `<img src=x onerror=alert(1)>/"&'`
	c.put(0, "pages/%3Cimg%20src=x%20onerror=alert(1)%3E/%22&'", hostile, hostile[:40])
	p.press("Load again")
	p.do(chromedp.Navigate(c.page(0) + "#/keys/pages/%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E/%22%26'"))
	p.wait(fmt.Sprintf(`document.querySelector("h2.path")?.textContent === %q`, "pages/"+path))
	p.wait(fmt.Sprintf(`document.querySelector("pre.value")?.textContent === %q`, hostile))
	p.picture("hostile-light")
	p.harmless()

	p.do(chromedp.Navigate("about:blank"))
	p.do(chromedp.Navigate(c.url + c.address(0) + "/kv/pages/hostile.html"))
	p.wait(`document.querySelector("b")`) // it is shown as a page, and runs nothing.
	require.Equal(t, "null", js[string](p, "origin"), "it has no origin of its own")
	for _, alert := range js[[]string](p, "window.trouble") {
		require.NotContains(t, alert, "alert:")
	}
	js[bool](p, "(window.trouble = []).length === 0") // that it was not run is a violation that is wanted.
}

// Values that are no text, and large ones.
func testBytes(t *testing.T, c *cluster) {
	p := open(t, c.page(0)+"#/keys/pictures/logo.bin")
	p.sees("This value is no text")
	require.True(t, strings.HasPrefix(p.text("pre.hex"), "000000  00 01 fe ff 50 4e 47 00"), p.text("pre.hex"))
	p.sees("The first 4.0 KiB of 21 KiB")
	p.picture("bytes-light")
	dir := p.downloads()
	p.press("Download")
	eventually(t, "the file is there", func() bool {
		saved, err := os.ReadFile(filepath.Join(dir, "logo.bin"))
		return err == nil && string(saved) == c.get(0, "pictures/logo.bin")
	})

	p.do(chromedp.Navigate(c.page(0) + "#/keys/logs/large.txt"))
	p.sees("It has not been loaded.")
	require.Zero(t, js[int](p, `document.querySelectorAll("pre").length`))
	p.press("Show the beginning")
	p.sees("The first 4.0 KiB of 117 KiB")
	p.press("Load again")
	p.press("Load all of it")
	p.wait(`document.querySelector("pre.value")?.textContent.length === 120000`)

	// A file takes the place of bytes that no text field can hold.
	file := filepath.Join(t.TempDir(), "new.bin")
	require.NoError(t, os.WriteFile(file, []byte("\x00new\xff"), 0o600))
	p.do(chromedp.Navigate(c.page(0) + "#/keys/pictures/logo.bin"))
	p.sees("This value is no text")
	p.press("Edit")
	p.sees("replace it by a file")
	p.do(chromedp.SetUploadFiles(`input[type="file"]`, []string{file}))
	p.press("Save")
	p.sees("The value is stored.")
	require.Equal(t, "\x00new\xff", c.get(0, "pictures/logo.bin"))
	c.put(0, "pictures/logo.bin", strings.Repeat("\x00\x01\xfe\xffPNG", 3000), "image/png")
}

// The tree, an edit and a deletion with the keyboard alone.
func testKeyboard(t *testing.T, c *cluster) {
	c.put(0, "keyboard/a/deep", "value", "text/plain")
	p := open(t, c.page(0))
	p.sees("3 of 3 alive")
	focused := func(text string) { p.wait(fmt.Sprintf(`document.activeElement.innerText?.trim() === %q`, text)) }
	p.keys(kb.Tab)
	focused("Skip to the content")
	p.keys(kb.Tab)
	focused("Cluster")
	p.keys(kb.Tab)
	focused("Keys")
	outline := js[string](p, "getComputedStyle(document.activeElement).outlineStyle")
	require.NotEqual(t, "none", outline, "the focus can be seen")
	p.keys(kb.Enter)
	p.wait(`document.querySelectorAll("[role=treeitem]").length > 4`)
	p.wait(`document.activeElement.id === "main"`)
	for range 30 { // the tree is one stop.
		if js[bool](p, `document.activeElement.getAttribute("role") === "treeitem"`) {
			break
		}
		p.keys(kb.Tab)
	}
	walkTree(t, p)
	require.NotEmpty(t, c.get(0, "keyboard/a/deep"))
	p.keys(kb.Tab)
	p.tabTo("Edit")
	p.keys(" ")
	p.wait(`document.activeElement.tagName === "TEXTAREA"`)
	p.keys("new ")
	p.tabTo("Save")
	p.keys(kb.Enter)
	p.sees("The value is stored.")
	require.Contains(t, c.get(0, "keyboard/a/deep"), "new ")

	// Escape answers no.
	p.press("Delete…")
	p.sees("Delete deep?")
	p.keys(kb.Escape)
	p.wait(`document.querySelector("dialog") === null`)
	require.NotEmpty(t, c.get(0, "keyboard/a/deep"))

	p.item("keyboard/") // closes it.
	p.wait(`![...document.querySelectorAll("[role=treeitem] .name")].some(
		(n) => n.textContent === "deep" && n.checkVisibility())`)
}

// tabTo presses the tabulator until the button with this text has the focus.
func (p *tab) tabTo(text string) {
	p.t.Helper()
	for range 20 {
		if js[bool](p, fmt.Sprintf(`document.activeElement.innerText === %q`, text)) {
			return
		}
		p.keys(kb.Tab)
	}
	require.Fail(p.t, "the tabulator does not reach "+text)
}

// walkTree opens keyboard/a/deep with the keys of a tree, whose focus is in the tree.
func walkTree(t *testing.T, p *tab) {
	t.Helper()
	name := func() string {
		return js[string](p, `document.activeElement.querySelector(".name")?.textContent ?? ""`)
	}
	p.keys(kb.End)
	last := name()
	p.keys(kb.Home)
	require.NotEqual(t, last, name())
	for range 20 {
		if name() == "keyboard/" {
			break
		}
		p.keys(kb.ArrowDown)
	}
	require.Equal(t, "keyboard/", name())
	p.keys(kb.ArrowRight)
	p.wait(`document.activeElement.getAttribute("aria-expanded") === "true"`)
	p.wait(`document.activeElement.querySelector("[role=treeitem]")`)
	p.keys(kb.ArrowRight)
	require.Equal(t, "a/", name())
	require.Equal(t, "2", js[string](p, `document.activeElement.getAttribute("aria-level")`))
	p.keys(kb.ArrowRight)
	p.wait(`document.activeElement.querySelector("[role=treeitem]")`)
	p.keys(kb.ArrowDown)
	require.Equal(t, "deep", name())
	p.keys(kb.Enter)
	p.wait(`document.querySelector("pre.value")?.textContent === "value"`)
	require.Equal(t, "deep", name(), "the focus stays in the tree")
}

// A directory of more values than a page has.
func testPages(t *testing.T, c *cluster) {
	var operations []string
	for i := range 230 {
		operations = append(operations, fmt.Sprintf(`{"op":"put","path":"many/%03d","value":"%d"}`, i, i))
	}
	for from := 0; from < len(operations); from += 100 {
		part := operations[from:min(from+100, len(operations))]
		status, body := c.try(http.MethodPost, 0, "/batch", "["+strings.Join(part, ",")+"]", "Content-Type",
			"application/json")
		require.Equal(t, http.StatusMultiStatus, status, body)
	}
	p := open(t, c.page(0)+"#/keys/many/000")
	shown := `[...document.querySelectorAll("[role=treeitem] .name")]
		.filter((n) => /^\d{3}$/.test(n.textContent)).length`
	p.wait(shown + " === 100")
	p.do(chromedp.Click(xpath("span", "more, after 100…"), chromedp.NodeVisible))
	p.wait(shown + " === 200")
	p.wait(`document.activeElement.querySelector(".name").textContent === "100"`)
	p.do(chromedp.Click(xpath("span", "more, after 200…"), chromedp.NodeVisible))
	p.wait(shown + " === 230")
	p.item("many/")
	p.press("Count the values")
	p.sees("230 values below")
}
