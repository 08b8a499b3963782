package rest

import (
	"errors"
	"time"

	"github.com/gofiber/fiber/v2"

	"kvs/node/api"
	"kvs/node/host/access"
)

// Audited is one request, as the audit log keeps it. It holds no value, no query and no credential.
type Audited struct {
	Time    time.Time `json:"time"`
	Who     string    `json:"who,omitempty"` // token:ID, cert:NAME, admin:NAME or member:NAME; empty: not known.
	Address string    `json:"address"`       // host:port at the other end.
	Method  string    `json:"method"`
	Path    string    `json:"path"` // as it was sent.
	Status  int       `json:"status"`
	Code    api.Code  `json:"code,omitempty"`  // of a refusal.
	Admin   bool      `json:"admin,omitempty"` // it needs the right admin.
	Millis  int64     `json:"millis"`
}

// auditPathBytesMax bounds the logged part of a path: a longer path is refused anyway.
const auditPathBytesMax = 3*1024 + 32

// audit reports each answered request, except those of members to each other and those of /livez.
func (s *Server) audit(c *fiber.Ctx) error {
	if s.opts.Audit == nil || c.Path() == api.PathFrames || c.Path() == "/livez" {
		return c.Next()
	}
	began := time.Now()
	path := c.Path()
	a := Audited{
		Time: began.UTC(), Address: c.Context().RemoteAddr().String(), Method: string(append([]byte{}, c.Method()...)),
		Path:  string(append([]byte{}, path[:min(len(path), auditPathBytesMax)]...)),
		Admin: needOf(c).right == access.Admin,
	}
	err := c.Next()
	a.Status, a.Code = c.Response().StatusCode(), ""
	if err != nil {
		a.Code = s.codeOf(c, err)
		if kind, unknown := api.Describe(a.Code); unknown == nil {
			a.Status = kind.Status
		}
		var p *problem
		if errors.As(err, &p) && p.status != 0 {
			a.Status = p.status
		}
	}
	if w := whoIs(c); w != nil {
		a.Who = w.id
	}
	a.Millis = time.Since(began).Milliseconds()
	s.opts.Audit(a)
	return err
}
