package rest

import (
	"net"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"
)

// Admin is a separate listener for monitoring: it serves only /livez, /readyz and /metrics, without TLS or credentials.
type Admin struct {
	app  *fiber.App
	once sync.Once
}

const adminTimeout, adminConnectionsMax = 5 * time.Second, 64 // of each request there; of all at once.

// ServeAdmin answers on l, which the Admin owns, until Close.
func (s *Server) ServeAdmin(l net.Listener) *Admin {
	a := &Admin{app: fiber.New(fiber.Config{
		StrictRouting: true, CaseSensitive: true, ReadBufferSize: headerBytesMax, BodyLimit: 1,
		Concurrency: adminConnectionsMax,
		ReadTimeout: adminTimeout, WriteTimeout: adminTimeout, IdleTimeout: s.opts.IdleTimeout,
		DisableStartupMessage: true, ErrorHandler: s.handleError,
	})}
	fast := a.app.Server()
	fast.Handler = s.prepare(fast.Handler)
	fast.NoDefaultServerHeader, fast.NoDefaultContentType, fast.CloseOnShutdown = true, true, true
	fast.Logger = quietLogger{s.opts.Log}
	a.app.Use(s.recoverPanics)
	a.app.Use(s.onlyStarted)
	a.app.Get("/livez", s.livez)
	a.app.Get("/readyz", s.readyz)
	a.app.Get("/metrics", s.metrics)
	go func() {
		if err := a.app.Listener(l); err != nil {
			s.opts.Log.Error("the listener at admin_listen has ended", "error", err)
		}
	}()
	return a
}

// Close stops the listener.
func (a *Admin) Close() (err error) {
	a.once.Do(func() { err = a.app.ShutdownWithTimeout(time.Second) })
	return err
}
