package rest

import (
	"bytes"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/gofiber/fiber/v2"

	"kvs/node"
	"kvs/node/api"
	"kvs/node/slot"
)

const kvPrefix = "/kv/"

// kvPath reads the path behind /kv/ from the request as it came, before it is normalised, decodes its percent signs
// exactly once, and checks it: %2F is a separator like any other, %252F a segment with the text %2F. The root and any
// path that ends in a slash is a directory.
func kvPath(original []byte) (path string, directory bool, err error) {
	return pathBehind(kvPrefix, original)
}

// pathBehind is kvPath with another prefix.
func pathBehind(prefix string, original []byte) (path string, directory bool, err error) {
	raw, ok := bytes.CutPrefix(original, []byte(prefix))
	if !ok {
		return "", false, refuse(api.NoRoute, "there is nothing at %.200q: values are below %s", original, kvPrefix)
	}
	if bytes.IndexByte(raw, '%') < 0 {
		path = string(raw)
	} else if path, err = url.PathUnescape(string(raw)); err != nil {
		return "", false, refuse(api.BadPath, "%v: write a percent sign as %%25", err)
	}
	if directory = path == "" || strings.HasSuffix(path, "/"); directory {
		err = slot.CheckDirectory(path)
	} else {
		err = slot.CheckPath(path)
	}
	if err != nil {
		return "", false, refuse(api.BadPath, "%v", err)
	}
	if isReserved(path) {
		return "", false, refuseReserved(path)
	}
	return path, directory, nil
}

// kvTarget is kvPath of a request. fasthttp cuts a target off at a "#", which is not allowed in a request (RFC 9112
// section 3.2): the path would silently be another one.
func kvTarget(c *fiber.Ctx) (path string, directory bool, err error) {
	if bytes.IndexByte(c.Request().Header.RequestURI(), '#') >= 0 {
		return "", false, refuse(api.BadPath, `the URL holds a "#": write it as %%23`)
	}
	return kvPath(c.Request().URI().PathOriginal())
}

// params are a request's query parameters; each at most once.
type params map[string]string

// readParams refuses parameters that are not in known: a misspelt one must not be ignored.
func readParams(c *fiber.Ctx, known ...string) (params, error) {
	raw := c.Request().URI().QueryString()
	if len(raw) == 0 {
		return nil, nil
	}
	values, err := url.ParseQuery(string(raw)) // stricter than fasthttp, which passes broken percent signs on.
	if err != nil {
		return nil, refuse(api.BadParameter, "the query cannot be read: %v", err)
	}
	p := make(params, len(values))
	for key, given := range values {
		switch {
		case !slices.Contains(known, key):
			return nil, unknownParameter(key, known)
		case len(given) > 1:
			return nil, refuse(api.BadParameter, "parameter %q is given %d times", key, len(given))
		}
		p[key] = given[0]
	}
	return p, nil
}

func unknownParameter(key string, known []string) error {
	if len(known) == 0 {
		return refuse(api.BadParameter, "unknown parameter %.100q: this route has none", key)
	}
	return refuse(api.BadParameter, "unknown parameter %.100q: this route has %s", key, strings.Join(known, ", "))
}

func (p params) level(def node.Level) (node.Level, error) {
	v, ok := p["consistency"]
	if !ok {
		return def, nil
	}
	l, err := node.ParseLevel(v)
	if err != nil {
		return 0, refuse(api.BadConsistency, "%v", err)
	}
	return l, nil
}

func (p params) bool(name string) (bool, error) {
	switch v, ok := p[name]; {
	case !ok || v == "false":
		return false, nil
	case v == "" || v == "true":
		return true, nil
	default:
		return false, refuse(api.BadParameter, "%s=%.100q: want true or false", name, v)
	}
}

// returnsVersion reports whether a write is to be answered with the version that it made.
func (p params) returnsVersion() (bool, error) {
	version, given := p["return"]
	if given && version != "version" {
		return false, refuse(api.BadParameter, "return=%.100q: want version", version)
	}
	return given, nil
}

func (p params) limit() (int, error) {
	v, ok := p["limit"]
	if !ok {
		return node.ListLimitDefault, nil
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 1 || n > node.ListLimitMax {
		return 0, refuse(api.BadParameter, "limit=%.100q: want a number from 1 to %d", v, node.ListLimitMax)
	}
	return n, nil
}

// after reads where a page of dir begins. It may be any text that a path in dir could begin with, not only a path that
// exists: the entry that a former page ended with may be gone.
func (p params) after(dir string) (string, error) {
	v := p["after"]
	switch {
	case len(v) > slot.PathBytesMax+1 || !utf8.ValidString(v):
		return "", refuse(api.BadParameter, "after: want UTF-8 of at most %d bytes", slot.PathBytesMax+1)
	case v != "" && !strings.HasPrefix(v, dir):
		return "", refuse(api.BadParameter, "after=%.100q: want a path in %q", v, dir)
	}
	return v, nil
}
