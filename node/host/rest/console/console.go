// Package console is the web console: the page that a node serves at /ui, and the files of it.
//
// The page is static. It holds nothing about the cluster, so it needs no credentials: what it shows, its script asks
// the REST API for, with the token that a person has typed in. It is embedded as it stands in assets, without a build
// step.
//
// # What the browser is told
//
// The content security policy lets the page load its own files and talk to its own node, and nothing else: no inline
// script or style, no other origin, no frame around it, no form that is sent away, no string that becomes markup
// (require-trusted-types-for). Values are shown as text nodes. A test refuses assets that could do otherwise.
//
// Begin with Handler.
package console

import (
	"crypto/sha256"
	"embed"
	"fmt"
	"path"
	"strings"

	"github.com/gofiber/fiber/v2"

	"kvs/node/host/rest/etags"
)

// Path is where the page is. Its files are below it.
const Path = "/ui"

//go:embed assets
var assets embed.FS

// policy is the Content-Security-Policy of the page.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; " +
	"trusted-types 'none'"

// types are the media types of the files, by their extensions. A file of another one is a mistake.
var types = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
}

// file is one of assets, ready to be sent.
type file struct {
	content   []byte
	mediaType string
	etag      string // in quotes.
}

var files = load()

// load reads what is embedded.
func load() map[string]file {
	entries, err := assets.ReadDir("assets")
	if err != nil {
		panic("console: " + err.Error())
	}
	out := map[string]file{}
	for _, e := range entries {
		content, err := assets.ReadFile("assets/" + e.Name())
		if err != nil {
			panic("console: " + err.Error())
		}
		mediaType, ok := types[path.Ext(e.Name())]
		if !ok {
			panic("console: no media type is known for " + e.Name())
		}
		sum := sha256.Sum256(content)
		out[e.Name()] = file{content, mediaType, fmt.Sprintf(`"%x"`, sum[:16])}
	}
	return out
}

// Serves reports whether a request for this path is for the page or its files.
func Serves(target string) bool { return target == Path || strings.HasPrefix(target, Path+"/") }

// Handler serves the page and its files, at Path and below it. If it is not on, or for a file that does not exist, its
// error is fiber.ErrNotFound.
func Handler(on bool) fiber.Handler {
	return func(c *fiber.Ctx) error {
		name := strings.TrimPrefix(strings.TrimPrefix(c.Path(), Path), "/")
		if name == "" {
			name = "index.html"
		}
		f, ok := files[name]
		if !on || !ok {
			return fiber.ErrNotFound
		}
		h := &c.Context().Response.Header
		h.SetContentType(f.mediaType)
		h.Set(fiber.HeaderContentSecurityPolicy, policy)
		h.Set(fiber.HeaderXContentTypeOptions, "nosniff")
		h.Set(fiber.HeaderReferrerPolicy, "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set(fiber.HeaderCacheControl, "no-cache") // after an upgrade of the node the page fits the node again.
		h.SetCanonical([]byte(fiber.HeaderETag), []byte(f.etag))
		if list := c.Get(fiber.HeaderIfNoneMatch); list != "" && etags.Name(list, f.etag, true) {
			c.Status(fiber.StatusNotModified)
			return nil
		}
		c.Context().Response.SetBodyRaw(f.content) // not copied: it is never written to.
		return nil
	}
}

// Index is what a person reads who opens the address of a node to see what it is.
func Index(version, node, base string) string {
	return "kvs " + version + ", node " + node + `

GET                     /ui             the console, for a browser
PUT, GET, HEAD, DELETE  /kv/PATH                                PATCH   with Kvs-TTL
GET                     /kv/DIRECTORY/   ?recursive=true &values=true &count=true &limit=1000 &after=PATH
DELETE                  /kv/DIRECTORY/   ?recursive=true &confirm=DIRECTORY/
POST                    /batch
GET                     /conflicts ?prefix=PATH &limit=100      /conflicts/PATH ?uuid=UUID
GET, PUT, DELETE        /voters/   /voters/ID
GET, PUT                /policy   /mode
GET, POST               /keyring   /tokens      DELETE  /tokens/ID
GET                     /members/   /cluster   /status   /metrics   /livez   /readyz   /openapi.yaml
POST                    /members/join   /members/leave
DELETE                  /members/ID

Try:
  curl -i -X PUT -H 'Content-Type: text/plain' --data hello ` + base + `/kv/greetings/first
  curl -i ` + base + `/kv/greetings/first
  curl ` + base + `/kv/greetings/
`
}
