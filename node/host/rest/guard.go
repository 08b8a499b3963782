package rest

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"kvs/node"
	"kvs/node/api"
	"kvs/node/host/access"
	"kvs/node/host/connections"
	"kvs/node/host/rest/console"
	"kvs/node/host/rest/forwarding"
)

// This file authorizes requests. A route that it does not name is for administrators only: a new route is closed until
// this file opens it.

// Access has the credentials that requests are checked against. It is safe for concurrent use.
type Access struct {
	// Admin is the hash of the token of that name, which the configuration holds; zero: there is none.
	Admin access.Hash

	// Tokens is the cluster's table as this node has it. It is shared and must not be changed.
	Tokens func() (*access.Table, error)
}

// who is the authenticated sender of a request. A nil *who, where no credentials are required, may do everything.
type who struct {
	id    string       // of the token, or the certificate, for the audit log.
	rules access.Rules // nil: everything.
}

func (w *who) may(right access.Right, path string) bool {
	return w == nil || w.rules == nil || w.rules.Allow(right, path)
}

const whoKey = "kvs.who"

// whoIs is the sender of a request, as authorize has stored it.
func whoIs(c *fiber.Ctx) *who {
	w, _ := c.Locals(whoKey).(*who)
	return w
}

// need is the right that a request requires.
type need struct {
	open  bool         // no credentials are required.
	right access.Right // empty: any valid credentials.
	path  string
}

// needOf is the right that a request requires. It uses the path that fiber routes by.
func needOf(c *fiber.Ctx) need {
	target := c.Path()
	reads := c.Method() == fiber.MethodGet || c.Method() == fiber.MethodHead
	switch {
	case c.Method() == fiber.MethodOptions:
		return need{} // it shows the methods of a route alone.
	case target == "/livez", reads && console.Serves(target): // the page holds nothing of the cluster.
		return need{open: true}
	case target == api.PathFrames:
		return need{open: true} // onlyMembers has checked it.
	case strings.HasPrefix(target, kvPrefix):
		return needOfValue(c, reads)
	case strings.HasPrefix(target, conflictsPrefix) && reads:
		path, _, err := pathBehind(conflictsPrefix, c.Request().URI().PathOriginal())
		if err != nil {
			return need{} // the handler says what is wrong.
		}
		return need{right: access.Read, path: path}
	case target == api.PathBatch:
		return need{} // each operation is asked for its own right: see door in batch.go.
	case !reads:
		return need{right: access.Admin}
	}
	switch target {
	case "/", "/openapi.yaml", "/conflicts", votersPrefix, "/members/", "/cluster", "/status", "/mode", "/readyz",
		"/metrics":
		return need{} // none of them shows paths, except the conflicts, which are filtered.
	}
	return need{right: access.Admin}
}

func needOfValue(c *fiber.Ctx, reads bool) need {
	path, directory, err := kvTarget(c)
	switch {
	case err != nil:
		return need{} // the handler says what is wrong.
	case reads && isWatch(c):
		return need{right: access.Watch, path: path}
	case reads && directory:
		return need{right: access.List, path: path}
	case reads:
		return need{right: access.Read, path: path}
	}
	return need{right: access.Write, path: path}
}

// authorize passes a request on if its sender has the required right.
func (s *Server) authorize(c *fiber.Ctx) error {
	if s.opts.Access == nil {
		return c.Next()
	}
	n := needOf(c)
	if n.open {
		return c.Next()
	}
	w, err := s.whoAsks(c)
	if err != nil && s.opts.Core.Mode() == node.ModeSyncing {
		if n.right == access.Read || n.right == access.List { // a member that has the table decides.
			if done, passed := s.passOn(c); done {
				return passed
			}
		} else {
			err = refuse(api.Syncing, "this node is still fetching its data, tokens among them: ask another member")
		}
	}
	if err == nil && n.right != "" && !w.may(n.right, n.path) {
		err = notAllowed(n)
	}
	if err == nil {
		err = s.withinRate(w)
	}
	if w != nil {
		c.Locals(whoKey, w) // also of a refused sender, for the audit log.
	}
	if err != nil {
		if c.Request().Header.ContentLength() != 0 { // a body may be in flight, and is not read.
			connections.Of(c.Context().Conn()).Linger()
			c.Context().SetConnectionClose()
		}
		return err
	}
	return c.Next()
}

func notAllowed(n need) error {
	if n.right == access.Admin {
		return refuse(api.NotAllowed, "this needs the right admin")
	}
	return refuse(api.NotAllowed, "this needs the right %s on %q", n.right, n.path)
}

// whoAsks finds the sender of a request: by the token that is shown, else by the certificate of the connection. A
// member that passes a request on names the original sender.
func (s *Server) whoAsks(c *fiber.Ctx) (*who, error) {
	shown, err := credentialsOf(c)
	if err != nil {
		return nil, err
	}
	return s.whoShows(shown)
}

// credentials are what a sender shows: a token, or else what its connection has proved.
type credentials struct {
	token []byte // the header; nil: none.
	peer  Peer
}

// credentialsOf returns copies.
func credentialsOf(c *fiber.Ctx) (credentials, error) {
	peer, _ := peerOf(c)
	h := &c.Request().Header
	shown := h.PeekAll(fiber.HeaderAuthorization)
	switch {
	case len(shown) > 1:
		return credentials{}, refuse(api.NoCredentials, "there are %d Authorization headers, want one", len(shown))
	case len(shown) == 1:
		return credentials{token: bytes.Clone(shown[0])}, nil
	case peer.Member && len(h.Peek(api.HeaderVia)) > 0:
		role, name, _ := strings.Cut(string(h.Peek(forwarding.HeaderAs)), "/")
		peer = Peer{Name: decodedName([]byte(name)), Admin: role == "admin", Client: role == "client"}
	}
	return credentials{peer: peer}, nil
}

// whoShows finds the sender who shows credentials.
func (s *Server) whoShows(shown credentials) (*who, error) {
	peer := shown.peer
	switch {
	case shown.token != nil:
		return s.byToken(shown.token)
	case peer.Member:
		return &who{id: "member:" + peer.Name}, nil
	case peer.Admin:
		return &who{id: "admin:" + peer.Name}, nil
	case peer.Client:
		return s.byCertificate(peer.Name)
	}
	return nil, refuse(api.NoCredentials,
		"show a token (Authorization: Bearer, kvs --token-file) or a certificate (kvs --cert --key)")
}

// byToken checks a token. The answer does not tell unknown, revoked and expired tokens apart.
func (s *Server) byToken(header []byte) (*who, error) {
	scheme, text, _ := bytes.Cut(header, []byte(" "))
	if !bytes.EqualFold(scheme, []byte("Bearer")) {
		return nil, refuse(api.NoCredentials, "the Authorization header is not of the form Bearer TOKEN")
	}
	id, hash, err := access.Split(string(bytes.TrimSpace(text)))
	if err != nil {
		return nil, refuse(api.NoCredentials, "%v: want kvs1.ID.SECRET", err)
	}
	if id == access.AdminID && s.opts.Access.Admin != (access.Hash{}) {
		if hash.Equal(s.opts.Access.Admin) {
			return &who{id: "token:" + id}, nil
		}
		return nil, unknownToken()
	}
	table, err := s.opts.Access.Tokens()
	if err != nil {
		s.opts.Log.Error("the table of tokens cannot be read: tokens are refused", "error", err.Error())
		return nil, unknownToken()
	}
	e, ok := table.Authenticate(id, hash, time.Now())
	if !ok {
		return nil, unknownToken()
	}
	return &who{id: "token:" + e.ID, rules: e.Rules}, nil
}

func unknownToken() error {
	return refuse(api.NoCredentials, "the token is not valid: it is unknown here, was revoked, or has ended")
}

// byCertificate finds the rules for a client that has shown a certificate.
func (s *Server) byCertificate(name string) (*who, error) {
	table, err := s.opts.Access.Tokens()
	if err != nil {
		s.opts.Log.Error("the table of tokens cannot be read: certificates of clients are refused", "error",
			err.Error())
		return nil, refuse(api.NoCredentials, "the rules of this certificate cannot be read")
	}
	e, ok := table.Find(access.CertificateID(name))
	if !ok || !e.Certificate || e.Expired(time.Now()) {
		return nil, refuse(api.NoCredentials,
			"there are no rules for certificates of client %.100q: kvs token create --certificate", name)
	}
	return &who{id: e.ID, rules: e.Rules}, nil
}

// asWhom is the value of forwarding.HeaderAs for a request on this connection.
func asWhom(c *fiber.Ctx) string {
	switch peer, _ := peerOf(c); {
	case peer.Admin || peer.Member:
		return "admin/" + escapedName(peer.Name)
	case peer.Client:
		return "client/" + escapedName(peer.Name)
	}
	return ""
}

// reserved is the directory of kvs' own values. /kv/ does not read, write or list it.
const reserved = ".kvs"

// TokensPath is the path of the table of tokens.
const TokensPath = reserved + "/tokens"

func isReserved(path string) bool { return path == reserved || strings.HasPrefix(path, reserved+"/") }

func refuseReserved(path string) error {
	return &problem{code: api.BadPath, detail: fmt.Sprintf("%q: what begins with %s/ is kept by kvs for itself", path,
		reserved)}
}
