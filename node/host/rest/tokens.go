package rest

import (
	"context"
	"errors"
	"time"

	"github.com/gofiber/fiber/v2"

	"kvs/node"
	"kvs/node/api"
	"kvs/node/host/access"
)

const tokensPath = "/tokens"

// tokens lists the tokens with their owners and rights, without hashes.
func (s *Server) tokens(c *fiber.Ctx) error {
	if _, err := readParams(c); err != nil {
		return err
	}
	table, _, err := s.readTable()
	if err != nil {
		return err
	}
	doc := api.Tokens{Tokens: []api.Token{}}
	for i := range table.Entries {
		doc.Tokens = append(doc.Tokens, tokenDocument(&table.Entries[i]))
	}
	return s.sendJSON(c, fiber.StatusOK, doc)
}

func tokenDocument(e *access.Entry) api.Token {
	out := api.Token{ID: e.ID, Name: e.Name, Certificate: e.Certificate, Rules: rulesDocument(e.Rules),
		Created: e.Created}
	if !e.Expires.IsZero() {
		out.Expires = &e.Expires
	}
	return out
}

func rulesDocument(rules access.Rules) []api.TokenRule {
	out := []api.TokenRule{}
	for _, r := range rules {
		rule := api.TokenRule{Prefix: r.Prefix}
		for _, right := range r.Allow {
			rule.Allow = append(rule.Allow, string(right))
		}
		for _, right := range r.Deny {
			rule.Deny = append(rule.Deny, string(right))
		}
		out = append(out, rule)
	}
	return out
}

// createToken makes a token, which is shown once, or gives rules to the certificates of a client.
func (s *Server) createToken(c *fiber.Ctx) error {
	if _, err := readParams(c); err != nil {
		return err
	}
	if err := wantMediaType(c, api.ContentTypeJSON); err != nil {
		return err
	}
	if _, isSecure := peerOf(c); !isSecure {
		return refuse(api.NotAllowed, "tokens are sent over TLS only")
	}
	var w api.WantedToken
	if err := decodeStrictly(c.Request().Body(), &w); err != nil {
		return refuse(api.BadBody, `%v: want {"name":"ci","rules":[{"prefix":"builds/","allow":["read","write"]}]}`,
			err)
	}
	e, token, err := newEntry(&w)
	if err != nil {
		return refuse(api.BadBody, "%v", err)
	}
	err = s.changeTable(func(t *access.Table) (*access.Table, error) { return t.With(e, e.Created) })
	if err != nil {
		return err
	}
	return s.sendJSON(c, fiber.StatusCreated, api.NewToken{ID: e.ID, Token: token})
}

func newEntry(w *api.WantedToken) (e access.Entry, token string, err error) {
	e = access.Entry{Name: w.Name, Certificate: w.Certificate, Created: time.Now().UTC().Truncate(time.Second)}
	if w.TTLSeconds != 0 {
		e.Expires = e.Created.Add(time.Duration(w.TTLSeconds) * time.Second)
	}
	for _, r := range w.Rules {
		rule := access.Rule{Prefix: r.Prefix}
		for _, right := range r.Allow {
			rule.Allow = append(rule.Allow, access.Right(right))
		}
		for _, right := range r.Deny {
			rule.Deny = append(rule.Deny, access.Right(right))
		}
		e.Rules = append(e.Rules, rule)
	}
	if w.TTLSeconds < 0 || w.TTLSeconds > ttlSecondsMax {
		return e, "", errors.New("ttl_seconds: want 1 to 3153600000, or none for ever")
	}
	if w.Certificate {
		e.ID = access.CertificateID(w.Name)
	} else {
		var hash access.Hash
		if e.ID, err = access.NewID(); err != nil {
			return e, "", err
		}
		if token, hash, err = access.NewSecret(e.ID); err != nil {
			return e, "", err
		}
		e.Hash = hash.String()
	}
	_, err = (&access.Table{}).With(e, e.Created) // so that the error is the client's.
	return e, token, err
}

// ttlSecondsMax is a hundred years.
const ttlSecondsMax = 100 * 365 * 24 * 3600

// revokeToken takes a token out of the table. Reachable members refuse it at once, or a moment later.
func (s *Server) revokeToken(c *fiber.Ctx) error {
	if _, err := readParams(c); err != nil {
		return err
	}
	id := decodedName([]byte(c.Params("id")))
	err := s.changeTable(func(t *access.Table) (*access.Table, error) { return t.Without(id) })
	if err != nil {
		return err
	}
	c.Status(fiber.StatusNoContent)
	return nil
}

// readTable reads the table linearizably.
func (s *Server) readTable() (*access.Table, node.Record, error) {
	resp, err := s.do(context.Background(), &node.Request{Op: node.OpGet, Level: node.Linearizable, Path: TokensPath})
	if err != nil {
		return nil, node.Record{}, err
	}
	if resp.Code != node.CodeNotFound {
		if err := refusal(&resp, false); err != nil {
			return nil, node.Record{}, err
		}
	}
	var content []byte
	if resp.Record.Live() {
		content = resp.Record.Value
	}
	table, err := access.Parse(content)
	if err != nil {
		return nil, node.Record{}, refuse(api.StorageError, "%v", err)
	}
	return table, resp.Record, nil
}

// tableTriesMax bounds the retries of a change after concurrent changes.
const tableTriesMax = 10

// changeTable replaces the table by compare-and-set.
func (s *Server) changeTable(change func(*access.Table) (*access.Table, error)) error {
	for try := 1; ; try++ {
		table, rec, err := s.readTable()
		if err != nil {
			return err
		}
		next, err := change(table)
		if errors.Is(err, access.ErrNoEntry) {
			return refuse(api.NoToken, "%v: kvs token list shows all tokens", err)
		}
		if err != nil {
			return refuse(api.BadBody, "%v", err)
		}
		content, err := next.Encode()
		if err != nil {
			return err
		}
		cond := node.Condition{Kind: node.IfNoneMatch, Any: true}
		if rec.Live() {
			cond = node.Condition{Kind: node.IfMatch, Versions: []node.Version{rec.Version()}}
		}
		resp, err := s.do(context.Background(), &node.Request{
			Op: node.OpPut, Level: node.Linearizable, Path: TokensPath, Value: content,
			ContentType: api.ContentTypeJSON, Condition: cond,
		})
		if err != nil {
			return err
		}
		if lost := resp.Code == node.CodePrecondition || resp.Code == node.CodeConflict; !lost || try == tableTriesMax {
			return refusal(&resp, true)
		}
	}
}
