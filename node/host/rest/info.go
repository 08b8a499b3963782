package rest

import (
	"fmt"
	"reflect"
	"strings"
	"time"
	"unicode"

	"github.com/gofiber/fiber/v2"

	"kvs/node"
	"kvs/node/api"
	"kvs/node/host/connections"
	"kvs/node/swim"
)

// members serves the member table.
func (s *Server) members(c *fiber.Ctx) error {
	if _, err := readParams(c); err != nil {
		return err
	}
	snap := s.opts.Core.Snapshot()
	return s.sendJSON(c, fiber.StatusOK, api.Members{Members: memberTable(&snap)})
}

// status serves the whole state of the node, in any mode.
func (s *Server) status(c *fiber.Ctx) error {
	if _, err := readParams(c); err != nil {
		return err
	}
	snap := s.opts.Core.Snapshot()
	return s.sendJSON(c, fiber.StatusOK, s.statusDocument(&snap))
}

func (s *Server) statusDocument(snap *Snapshot) api.Status {
	st := api.Status{
		ID: snap.ID.String(), Name: snap.Name, Address: snap.Addr, Cluster: snap.Cluster, Version: s.opts.Version,
		Mode: snap.Mode.String(), Reasons: append([]string{}, snap.Reasons...), Ready: snap.Ready,
		UptimeSeconds: int64(snap.Uptime.Seconds()), Started: snap.Started.UTC(), Timestamp: snap.Clock.String(),
		Members: memberTable(snap), Peers: []api.Peer{}, Counters: counters(&snap.Counters),
		Bootstrap: bootstrapDocument(snap.Bootstrap), Voters: votersDocument(&snap.Status),
		Digest: fmt.Sprintf("%016x", snap.Digest), Keys: snap.Keys,
		LocalHealth: snap.LocalHealth, Clash: snap.Clash, Retired: snap.Retired, Warnings: snap.Warnings,
	}
	if !snap.CertExpires.IsZero() {
		end := snap.CertExpires.UTC()
		st.CertificateExpires = &end
	}
	for _, m := range snap.Members {
		if m.State == swim.Alive {
			st.Alive++
		}
	}
	for _, p := range snap.Peers {
		peer := api.Peer{
			ID: p.ID.String(), QueueEntries: p.QueueEntries, QueueBytes: p.QueueBytes, Dropped: p.Dropped,
			AckMillisAgo:   millisSince(p.LastAck, snap.Status.Started+snap.Uptime),
			EqualMillisAgo: millisSince(p.LastEqual, snap.Status.Started+snap.Uptime), HintsFull: p.HintsFull,
			HintsExpired: p.HintsExpired,
		}
		if p.Away > 0 {
			away := p.Away.Milliseconds()
			peer.AwayMillis = &away
		}
		if p.ClockMeasured {
			offset, give := p.ClockOffset.Milliseconds(), p.ClockError.Milliseconds()
			peer.ClockOffsetMillis, peer.ClockErrorMillis = &offset, &give
		}
		st.Peers = append(st.Peers, peer)
	}
	return st
}

func bootstrapDocument(b *node.BootstrapStatus) *api.Bootstrap {
	if b == nil {
		return nil
	}
	out := &api.Bootstrap{
		Phase: b.Phase, Serving: b.Serving, Resumed: b.Resumed, KeysDone: b.KeysDone, KeysTotal: b.KeysAll,
		BytesDone:  b.BytesDone,
		BytesTotal: b.BytesAll, Band: b.Band, Bands: b.Bands, Rate: b.Rate,
	}
	if b.Server != 0 {
		out.Server = b.Server.String()
	}
	if b.ETA > 0 {
		eta := int64(b.ETA.Seconds())
		out.ETASeconds = &eta
	}
	return out
}

// millisSince is the time between two monotonic readings; nil when the first one never was.
func millisSince(then, now time.Duration) *int64 {
	if then == 0 {
		return nil
	}
	ms := max(now-then, 0).Milliseconds()
	return &ms
}

// counters names each field of node.Counters in snake case, so that a new counter appears by itself.
func counters(c *node.Counters) map[string]uint64 {
	out := map[string]uint64{}
	v := reflect.ValueOf(*c)
	for i := range v.NumField() {
		if v.Field(i).Kind() == reflect.Uint64 {
			out[snake(v.Type().Field(i).Name)] = v.Field(i).Uint()
		}
	}
	return out
}

func snake(name string) string {
	var b strings.Builder
	for i, r := range name {
		if unicode.IsUpper(r) && i > 0 {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// livez reports that the process works, in any mode; it fails only when the disk has failed, because then only a
// restart helps.
func (s *Server) livez(c *fiber.Ctx) error {
	if _, err := readParams(c); err != nil {
		return err
	}
	if s.opts.Core.Mode() == node.ModeFailed {
		return refuse(api.StorageFailed, "the disk failed: check it, then start this node again")
	}
	return s.sendJSON(c, fiber.StatusOK, api.Live{Live: true})
}

// readyz reports whether this node serves clients.
func (s *Server) readyz(c *fiber.Ctx) error {
	if _, err := readParams(c); err != nil {
		return err
	}
	snap := s.opts.Core.Snapshot()
	if !snap.Ready {
		reasons := strings.Join(snap.Reasons, ", ")
		if reasons == "" {
			reasons = "no reason is known"
		}
		return refuse(api.NotReady, "the node is in mode %s: %s", snap.Mode, reasons)
	}
	return s.sendJSON(c, fiber.StatusOK, api.Ready{Ready: true, Mode: snap.Mode.String(),
		Reasons: append([]string{}, snap.Reasons...)})
}

func (s *Server) openapi(c *fiber.Ctx) error {
	if _, err := readParams(c); err != nil {
		return err
	}
	c.Set(fiber.HeaderContentType, "application/yaml")
	c.Context().Response.SetBodyRaw(api.OpenAPI)
	return nil
}

// index is for people who open the address to see what it is.
func (s *Server) index(c *fiber.Ctx) error {
	if _, err := readParams(c); err != nil {
		return err
	}
	base := "http://"
	if _, isSecure := peerOf(c); isSecure {
		base = "https://"
	}
	base += string(c.Request().Host())
	c.Set(fiber.HeaderContentType, fiber.MIMETextPlainCharsetUTF8)
	c.Set(fiber.HeaderXContentTypeOptions, "nosniff")
	return c.SendString("kvs " + s.opts.Version + ", node " + s.opts.Name + `

PUT, GET, HEAD, DELETE  /kv/PATH
GET                     /kv/DIRECTORY/   ?recursive=true &limit=1000 &after=PATH
GET                     /conflicts ?prefix=PATH &limit=100      /conflicts/PATH ?uuid=UUID
GET, PUT, DELETE        /voters/   /voters/ID
GET, PUT                /policy   /mode
GET, POST               /keyring   /tokens      DELETE  /tokens/ID
GET                     /members/   /status   /metrics   /livez   /readyz   /openapi.yaml
POST                    /members/join   /members/leave
DELETE                  /members/ID

Try:
  curl -i -X PUT -H 'Content-Type: text/plain' --data hello ` + base + `/kv/greetings/first
  curl -i ` + base + `/kv/greetings/first
  curl ` + base + `/kv/greetings/
`)
}

// onlyStarted answers in place of all routes while the node starts and has no core yet. /livez succeeds, so that no
// supervisor ends the process while its store is being checked; other requests are refused.
func (s *Server) onlyStarted(c *fiber.Ctx) error {
	starting := s.opts.Starting()
	if starting == nil {
		return c.Next()
	}
	if string(c.Request().URI().PathOriginal()) == "/livez" &&
		(c.Method() == fiber.MethodGet || c.Method() == fiber.MethodHead) {
		return s.sendJSON(c, fiber.StatusOK, api.Live{Live: true, Starting: starting})
	}
	connections.Of(c.Context().Conn()).Linger() // a body may be in flight.
	c.Context().SetConnectionClose()
	return refuse(api.NotStarted, "this node is starting (%v): try again, or ask another member", starting)
}
