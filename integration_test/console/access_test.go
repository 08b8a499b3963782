package console

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// The history of conflicts, of which a loser is brought back.
func TestConsoleConflicts(t *testing.T) {
	needBrowser(t)
	t.Parallel()
	c := newCluster(t, 3, func(c *cluster) { // clocks that stand still make equal timestamps.
		clock := filepath.Join(c.dir, "clock")
		require.NoError(t, os.WriteFile(clock, []byte("0 0 0 1893456000000\n"), 0o600))
		c.edit(`test_clock_file: ""`, "test_clock_file: "+clock)
	})
	path := ""
	for i := 0; path == ""; i++ {
		require.Less(t, i, 50, "no two writes had the same timestamp")
		at := fmt.Sprintf("conflict/%d", i)
		var all sync.WaitGroup
		for n := range 3 {
			value := fmt.Sprintf("of node%d", n+1)
			all.Go(func() { c.try(http.MethodPut, n, "/kv/"+at, value, "Content-Type", "text/plain") })
		}
		all.Wait()
		eventually(t, "all members show one value", func() bool {
			one := c.get(0, at)
			return one != "" && one == c.get(1, at) && one == c.get(2, at)
		})
		if _, list := c.try(http.MethodGet, 0, "/conflicts?prefix="+at, ""); strings.Contains(list, at) {
			path = at
		}
	}
	won := c.get(0, path)
	p := open(t, c.page(0)+"#/conflicts/"+path)
	p.sees(path)
	p.wait(`[...document.querySelectorAll("tbody tr")].some((r) => r.innerText.includes("lost"))`)
	p.accessible()
	p.picture("conflicts-light")
	p.size(400, 800)
	p.fits()
	p.picture("conflicts-phone")
	p.size(1280, 900)
	js[bool](p, `[...document.querySelectorAll("tbody tr")]
		.find((r) => r.innerText.includes("lost")).id = "loser"; true`)
	p.do(chromedp.Click(`//*[@id="loser"]//button[text()="Show"]`))
	p.wait(`document.querySelector("pre.value")`)
	lost := p.text("pre.value")
	require.NotEqual(t, won, lost)
	require.Regexp(t, `^of node[123]$`, lost)
	p.do(chromedp.Click(`//*[@id="loser"]//button[text()="Bring back…"]`))
	p.sees("Bring this value back?")
	p.press("Bring it back")
	p.sees("It is brought back")
	require.Equal(t, lost, c.get(0, path))

	// The value may change while the question is open.
	p.do(chromedp.Click(`//*[@id="loser"]//button[text()="Bring back…"]`))
	p.sees("Bring this value back?")
	c.put(0, path, "newer", "text/plain")
	p.press("Bring it back")
	p.sees("nothing was written")
	require.Equal(t, "newer", c.get(0, path))
}

// With tokens, the page shows nothing until it has one, and then what the token may see.
func TestConsoleWithTokens(t *testing.T) {
	needBrowser(t)
	t.Parallel()
	c := newCluster(t, 1, (*cluster).secured, "--secure")
	c.put(0, "open/a", "open", "text/plain")
	c.put(0, "secret/a", "secret", "text/plain")
	status, body := c.try(http.MethodPost, 0, "/tokens",
		`{"name":"reader","rules":[{"prefix":"open/","allow":["read","list"]}]}`, "Content-Type", "application/json")
	require.Equal(t, http.StatusCreated, status, body)
	reader := strings.Split(strings.SplitN(body, `"token":"`, 2)[1], `"`)[0]

	p := open(t, c.page(0)+"#/keys/open/a")
	p.sees("This cluster asks for a token")
	page := "document.documentElement.textContent"
	require.NotContains(t, js[string](p, page), "node1", "nothing is shown without a token")
	p.accessible()
	p.picture("token-light")
	p.fill("Token", "kvs1.admin.wrong")
	p.press("Show the cluster")
	p.sees("This token is not valid")
	p.fill("Token", reader)
	p.press("Show the cluster")
	p.wait(`document.querySelector("pre.value")?.textContent === "open"`)

	// It is where the page says it is, and nowhere else.
	require.Equal(t, []string{"", "0", "0"}, js[[]string](p,
		`[document.cookie, String(localStorage.length), String(sessionStorage.length)]`))
	require.NotContains(t, js[string](p, "location.href"), reader)
	require.NotContains(t, js[string](p, page), reader)

	// What it may not do is said, with the right that is missing.
	p.press("Edit")
	p.fill("Value", "changed")
	p.press("Save")
	p.sees("This token may not do that")
	p.sees(`this needs the right write on "open/a"`)
	require.Equal(t, "open", c.get(0, "open/a"))
	p.press("Cancel")
	p.do(chromedp.Navigate(c.page(0) + "#/keys/secret/a"))
	p.sees(`this needs the right read on "secret/a"`)
	p.picture("not-allowed-light")
	p.press("Live")
	p.press("Watch")
	p.sees("The node does not let this be watched.")

	keepsToken(t, c, p, reader)
}

// keepsToken goes on in the page, for which the token reader was typed in.
func keepsToken(t *testing.T, c *cluster, p *tab, reader string) {
	t.Helper()
	// Without keep it is gone with the page; with it, it lasts as long as the tab.
	p.do(chromedp.Reload())
	p.sees("This cluster asks for a token")
	p.fill("Token", c.token)
	p.do(chromedp.Click("#keep"))
	p.press("Show the cluster")
	p.sees("at node1") // beside the links, which give way to it.
	p.press("Cluster")
	p.sees("1 of 1 alive")
	require.Equal(t, 1, js[int](p, "sessionStorage.length"))
	p.do(chromedp.Reload())
	p.sees("1 of 1 alive")
	p.press("Live")
	p.press("Watch") // a stream shows the token as well.
	p.sees("Watching everything.")
	c.put(0, "open/b", "b", "text/plain")
	p.sees("open/b")
	p.press("Forget the token")
	p.sees("This cluster asks for a token")
	require.Zero(t, js[int](p, "sessionStorage.length"))

	// A token that ends is asked for again.
	p.fill("Token", reader)
	p.press("Show the cluster")
	p.sees("at node1") // beside the links, which give way to it.
	p.press("Cluster")
	p.sees("1 of 1 alive")
	status, body := c.try(http.MethodDelete, 0, "/tokens/"+strings.Split(reader, ".")[1], "")
	require.Equal(t, http.StatusNoContent, status, body)
	p.sees("The token is no longer accepted")
}
