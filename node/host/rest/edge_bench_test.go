package rest

import (
	"io"
	"testing"

	"github.com/gofiber/fiber/v2"
	"github.com/stretchr/testify/require"
	"github.com/valyala/fasthttp"

	"kvs/node"
	"kvs/node/api"
	"kvs/node/slot"
	"kvs/sim/memstore"
)

// BenchmarkEdge is what happens between the HTTP library and the store for one eventual read, without a network: beside
// it fiber alone, which sets the same headers and sends as many bytes.
func BenchmarkEdge(b *testing.B) {
	core := &fakeCore{store: &lockedStore{store: memstore.New()}}
	_, err := core.run(&node.Request{Op: node.OpPut, Path: "bench/1", Value: make([]byte, 256)})
	require.NoError(b, err)
	o := newOptions(core, io.Discard)
	view := node.NewView(core.store, slot.NewElectorate(nil))
	o.View = func() *node.View { return view }
	s, err := New(o)
	require.NoError(b, err)
	s.app.Handler() // makes the routes.
	b.Run("get", func(b *testing.B) { benchHandler(b, s.app.Server().Handler) })
	b.Run("echo", func(b *testing.B) { benchHandler(b, echoApp().Handler()) })
}

// echoApp answers with the headers of a value.
func echoApp() *fiber.App {
	app := fiber.New(fiber.Config{DisableStartupMessage: true})
	body := make([]byte, 256)
	app.Get("/kv/*", func(c *fiber.Ctx) error {
		for _, h := range [][2]string{
			{api.HeaderNode, "n1"}, {api.HeaderConsistency, "eventual"}, {api.HeaderTimestamp, "1700000000000.00001"},
			{fiber.HeaderETag, `"18bcfe5680000001-000102030405060708090a0b0c0d0e0f"`},
			{fiber.HeaderCacheControl, "no-cache"},
			{fiber.HeaderContentType, api.ContentTypeBinary}, {fiber.HeaderXContentTypeOptions, "nosniff"},
			{fiber.HeaderContentSecurityPolicy, "sandbox"},
		} {
			c.Set(h[0], h[1])
		}
		return c.Send(body)
	})
	return app
}

func benchHandler(b *testing.B, handle fasthttp.RequestHandler) {
	var c fasthttp.RequestCtx
	b.ReportAllocs()
	for b.Loop() {
		c.Request.Reset()
		c.Response.Reset()
		c.Request.SetRequestURI("/kv/bench/1")
		handle(&c)
		if c.Response.StatusCode() != fiber.StatusOK || len(c.Response.Body()) != 256 {
			b.Fatal(c.Response.StatusCode())
		}
	}
}
