package console

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

const hostile = `<img src=x onerror="alert('image')"><script>alert('script')</script><b>bold</b>`

// The console of three real nodes, in the order in which a person may go through it. The last part stops a node.
func TestConsole(t *testing.T) {
	needBrowser(t)
	t.Parallel()
	c := newCluster(t, 3, func(c *cluster) { c.edit("request_timeout: 10s", "request_timeout: 3s") })
	c.put(0, "users/ann/mail", "ann@example.org", "text/plain")
	c.put(0, "users/bob/mail", "bob@example.org", "text/plain")
	c.put(0, "config/app.json", `{"title": "An app", "limit": 10}`, "application/json")
	c.put(0, "pages/hostile.html", hostile, "text/html")
	c.put(0, "pictures/logo.bin", strings.Repeat("\x00\x01\xfe\xffPNG", 3000), "image/png")
	c.put(0, "logs/large.txt", strings.Repeat("a line of a large value\n", 5000), "text/plain")
	for name, part := range map[string]func(*testing.T, *cluster){
		"glance": testGlance, "edit": testEdit, "hostile": testHostile, "bytes": testBytes, "keyboard": testKeyboard,
		"pages": testPages, "phone": testPhone,
	} {
		t.Run(name, func(t *testing.T) { part(t, c) })
	}
	t.Run("live", func(t *testing.T) { testLive(t, c) })
	t.Run("node down", func(t *testing.T) { testNodeDown(t, c) })
}

func testGlance(t *testing.T, c *cluster) {
	p := open(t, c.page(0))
	p.sees("3 of 3 alive")
	p.sees("3 of 3 answer")
	p.wait(`document.querySelector("#health").textContent === "All is well"`)
	require.Equal(t, "Cluster · kvs", js[string](p, "document.title"))
	require.Equal(t, 3, js[int](p, `document.querySelectorAll("table tbody tr").length`))
	p.sees("equal")
	p.accessible()
	p.picture("cluster-light")
	light := js[string](p, "getComputedStyle(document.body).backgroundColor")
	p.scheme("dark")
	p.wait(fmt.Sprintf("getComputedStyle(document.body).backgroundColor !== %q", light))
	p.picture("cluster-dark")

	// The operator makes a member read-only: the page says so, in the words of kvs doctor.
	status, body := c.try(http.MethodPut, 1, "/mode", `{"mode":"read-only"}`, "Content-Type", "application/json")
	require.Equal(t, http.StatusOK, status, body)
	p.sees("read-only")
	p.sees("docs/reference/modes.md says what each reason means")
	p.picture("cluster-read-only-dark")
	status, body = c.try(http.MethodPut, 1, "/mode", `{"mode":"normal"}`, "Content-Type", "application/json")
	require.Equal(t, http.StatusOK, status, body)
	p.wait(`document.querySelector("#health").textContent === "All is well"`)
}

// Nothing is wider than a phone, in any view, and all of it can be reached.
func testPhone(t *testing.T, c *cluster) {
	long := "phone/" + strings.Repeat("a-long-segment-without-spaces-", 6)
	c.put(0, long+"/value", strings.Repeat("wordwithoutspaces", 40), "text/plain")
	p := open(t, c.page(0))
	p.size(400, 800)
	p.sees("3 of 3 alive")
	p.fits()
	p.picture("cluster-phone")
	p.press("Keys")
	p.sees("users/")
	p.fits()
	p.item("users/")
	p.sees("ann/")
	p.item("ann/")
	p.sees("mail")
	p.picture("keys-phone")
	p.item("mail")
	p.wait(`document.querySelector("pre.value")?.textContent === "ann@example.org"`)
	tree := js[bool](p, `document.querySelector(".tree").checkVisibility()`)
	require.False(t, tree, "the value stands in place of the tree")
	p.fits()
	p.picture("value-phone")
	p.press("Edit")
	p.fits()
	p.scheme("dark")
	p.picture("edit-phone-dark")
	p.press("Cancel")
	p.press("← All keys")
	p.wait(`document.querySelector(".tree").checkVisibility()`)
	for _, path := range []string{long + "/value", "pictures/logo.bin"} {
		p.do(chromedp.Navigate(c.page(0) + "#/keys/" + path))
		p.wait(`document.querySelector("pre.value")`)
		p.fits()
	}
	p.press("Conflicts")
	p.sees("No conflicts")
	p.fits()
	p.press("Live")
	p.press("Watch")
	p.sees("Watching everything.")
	c.put(1, long+"/value", "changed", "text/plain")
	p.sees(long + "/value")
	p.fits()
	p.picture("live-phone-dark")
	p.accessible()
}

// A live view shows what others write, and goes on where it was when its node has been away.
func testLive(t *testing.T, c *cluster) {
	p := open(t, c.page(2)+"#/live")
	p.fill("Directory or path", "live/")
	p.press("Watch")
	p.sees("Watching live/.")
	c.put(0, "live/first", "by curl", "text/plain")
	p.sees("live/first")
	p.sees("1 change since")
	p.press("Keys") // the watch goes on meanwhile.
	c.put(1, "live/second", "2", "text/plain")
	p.press("Live")
	p.sees("live/second")
	p.accessible()

	c.stop(2)
	p.sees("The stream was cut")
	p.sees("This node has not answered since")
	require.Contains(t, p.text("#connection"), "node1", "the other members are named")
	p.picture("node-away-light")
	c.put(0, "live/third", "3", "text/plain")
	c.start(2)
	p.sees("resumed 1 time")
	p.sees("live/third")
	p.wait(`document.querySelector("#connection").hidden`)
	status, body := c.try(http.MethodDelete, 0, "/kv/live/first", "")
	require.Equal(t, http.StatusNoContent, status, body)
	p.wait(`[...document.querySelectorAll("tbody tr")].some(
		(r) => r.innerText.includes("delete") && r.innerText.includes("live/first"))`)
	require.Equal(t, 1, js[int](p, `[...document.querySelectorAll("tbody .path")]
		.filter((r) => r.innerText === "live/third").length`))
	p.picture("live-light")
	p.press("live/third")
	p.wait(`document.querySelector("pre.value")?.textContent === "3"`)
	p.press("Live")
	p.press("Stop")
	p.sees("Stopped.")
}

// A member that is gone is missed, and the page says what to do.
func testNodeDown(t *testing.T, c *cluster) {
	p := open(t, c.page(0))
	p.sees("3 of 3 alive")
	c.stop(1)
	p.sees("2 of 3 alive")
	p.sees("2 of 3 voters answer: one more failure, and quorum and linearizable requests fail")
	p.sees("start it, or kvs members remove it for good")
	p.wait(`document.querySelector("#health").classList.contains("problem")`)
	p.picture("node-down-light")
	p.scheme("dark")
	p.picture("node-down-dark")
	p.size(400, 800)
	p.fits()
	p.picture("node-down-phone-dark")

	// Without a majority a guarded write is refused, with the reason.
	c.stop(2)
	p.size(1280, 900)
	p.do(chromedp.Navigate(c.page(0) + "#/keys/users/ann/mail"))
	p.press("Edit")
	p.fill("Value", "nobody agrees")
	p.press("Save")
	p.wait(`document.querySelector("form .notice.problem")`)
	require.Equal(t, "ann@example.org", c.get(0, "users/ann/mail"))
	p.press("Cancel")
}
