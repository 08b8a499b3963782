package rest

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node"
	"kvs/node/api"
	"kvs/node/host/access"
	"kvs/node/host/certs"
	"kvs/node/host/certs/certstest"
)

// guarded is a site that asks who is there.
type guarded struct {
	*site
	authority *certstest.Authority
	tokens    map[string]string
	audited   *lockedBuffer
}

func newGuarded(t *testing.T, change ...func(*Options)) *guarded {
	t.Helper()
	g := &guarded{authority: certstest.New(t, "kvs"), tokens: map[string]string{}, audited: &lockedBuffer{}}
	f := g.authority.Member("n 1")
	k, err := certs.Load(certs.Options{Cert: f.Cert, Key: f.Key, CA: g.authority.CA, Cluster: "kvs", Name: "n 1",
		Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	a := &Access{Tokens: g.table}
	token, hash, err := access.NewSecret(access.AdminID)
	require.NoError(t, err)
	a.Admin, g.tokens["admin"] = hash, token
	g.site = newSite(t, append([]func(*Options){func(o *Options) {
		o.TLS, o.Access = k.Server(), a
		o.Peer = func(cs *tls.ConnectionState) Peer {
			id, ok := k.Peer(cs)
			if !ok {
				return Peer{}
			}
			return Peer{Name: id.Name, Member: id.Role == certs.Member, Admin: id.Role == certs.Admin,
				Client: id.Role == certs.Client}
		}
	}}, change...)...)
	return g
}

// table is what the store has, as the host reads it.
func (g *guarded) table() (*access.Table, error) {
	rec, err := g.core.view().Get(TokensPath)
	if err != nil {
		return nil, err
	}
	return access.Parse(rec.Value)
}

// give makes a token of this name.
func (g *guarded) give(name string, w api.WantedToken) {
	g.t.Helper()
	w.Name = name
	r := g.as("admin", http.MethodPost, "/tokens", jsonOf(g.t, w), "Content-Type", api.ContentTypeJSON)
	require.Equal(g.t, http.StatusCreated, r.status, r.body)
	var n api.NewToken
	r.json(&n)
	g.tokens[name] = n.Token
}

func (g *guarded) client(f certstest.Files) *http.Client {
	roots := x509.NewCertPool()
	content, err := os.ReadFile(g.authority.CA)
	require.NoError(g.t, err)
	require.True(g.t, roots.AppendCertsFromPEM(content))
	o := &tls.Config{RootCAs: roots}
	if f.Cert != "" {
		pair, err := tls.LoadX509KeyPair(f.Cert, f.Key)
		require.NoError(g.t, err)
		o.Certificates = []tls.Certificate{pair}
	}
	return &http.Client{Transport: &http.Transport{TLSClientConfig: o, DisableKeepAlives: true}}
}

// as asks with a token of this name; empty: without.
func (g *guarded) as(name, method, target, body string, headers ...string) reply {
	g.t.Helper()
	if name != "" {
		headers = append(headers, "Authorization", "Bearer "+g.tokens[name])
	}
	return g.with(g.client(certstest.Files{}), method, target, body, headers...)
}

func (g *guarded) with(c *http.Client, method, target, body string, headers ...string) reply {
	g.t.Helper()
	req, err := http.NewRequestWithContext(g.t.Context(), method, "https://"+g.addr+target, strings.NewReader(body))
	require.NoError(g.t, err)
	for i := 0; i < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	resp, err := c.Do(req)
	require.NoError(g.t, err)
	return readReply(g.t, resp)
}

// store puts a value in place, as another member's write would.
func (g *guarded) store(path string) {
	g.t.Helper()
	rec := node.Record{TS: 1 << 16, UUID: node.UUID{1}, Origin: 1, Value: []byte("v")}
	require.NoError(g.t, g.core.store.Apply([]node.Change{{Key: "r/" + path, Value: encodeRecord(path, &rec)}}))
}

func allow(prefix string, rights ...string) api.TokenRule {
	return api.TokenRule{Prefix: prefix, Allow: rights}
}
func deny(prefix string, rights ...string) api.TokenRule {
	return api.TokenRule{Prefix: prefix, Deny: rights}
}

// Every route, and every kind of credential, with the answer.
func TestWhoMayAskWhat(t *testing.T) {
	g := newGuarded(t, func(o *Options) { o.Console = true })
	for _, p := range []string{"open/a", "secret/a"} {
		g.store(p)
	}
	g.give("reader", api.WantedToken{Rules: []api.TokenRule{allow("open", "read", "list")}})
	g.give("writer", api.WantedToken{Rules: []api.TokenRule{allow("open/", "write")}})
	g.give("lister", api.WantedToken{Rules: []api.TokenRule{allow("", "list")}})
	g.give("operator", api.WantedToken{Rules: []api.TokenRule{allow("", "admin")}})
	g.give("brief", api.WantedToken{Rules: []api.TokenRule{allow("", "read", "list", "write", "admin")}, TTLSeconds: 1})
	g.give("alice", api.WantedToken{Certificate: true, Rules: []api.TokenRule{allow("open", "read", "list", "write")}})
	g.give("revoked", api.WantedToken{Rules: []api.TokenRule{allow("", "read")}})
	_, hash, err := access.Split(g.tokens["revoked"])
	require.NoError(t, err)
	table, err := g.table()
	require.NoError(t, err)
	for _, e := range table.Entries {
		if e.Hash == hash.String() {
			require.Equal(t, http.StatusNoContent, g.as("admin", http.MethodDelete, "/tokens/"+e.ID, "").status)
			require.Equal(t, http.StatusNotFound, g.as("admin", http.MethodDelete, "/tokens/"+e.ID, "").status)
		}
	}
	g.tokens["forged"] = g.tokens["admin"] + "x"
	g.tokens["nonsense"] = "secret"
	require.Eventually(t, func() bool {
		return g.as("brief", http.MethodGet, "/kv/open/a", "").status == http.StatusUnauthorized
	}, time.Minute, 20*time.Millisecond)

	role := func(r certs.Role, name string) *http.Client {
		return g.client(g.authority.Issue(certs.Identity{Cluster: "kvs", Role: r, Name: name}, time.Hour))
	}
	certificates := map[string]*http.Client{
		"cert alice": role(certs.Client, "alice"), "cert stranger": role(certs.Client, "stranger"),
		"cert admin":  role(certs.Admin, "root"),
		"cert member": role(certs.Member, "n2"),
		"cert elsewhere": g.client(g.authority.Issue(certs.Identity{Cluster: "x", Role: certs.Admin, Name: "a"},
			time.Hour)),
	}
	// The columns: who is known and has no rights there, each right on open/, each everywhere.
	columns := []string{"", "forged", "nonsense", "revoked", "brief", "cert stranger", "cert elsewhere", "reader",
		"writer", "lister", "operator", "cert alice", "admin", "cert admin", "cert member"}
	const nobody = "401 401 401 401 401 401 401 "
	rows := []struct{ method, target, body, want string }{
		{"GET", "/kv/open/a", "", nobody + "200 403 403 403 200 200 200 200"},
		{"HEAD", "/kv/open/a", "", nobody + "200 403 403 403 200 200 200 200"},
		{"GET", "/kv/open/none", "", nobody + "404 403 403 403 404 404 404 404"},
		{"GET", "/kv/secret/a", "", nobody + "403 403 403 403 403 200 200 200"},
		{"GET", "/kv/open%2Fa", "", nobody + "200 403 403 403 200 200 200 200"},
		{"GET", "/kv/opener", "", nobody + "403 403 403 403 403 404 404 404"},
		{"GET", "/kv/", "", nobody + "403 403 200 403 403 200 200 200"},
		{"GET", "/kv/open/", "", nobody + "200 403 200 403 200 200 200 200"},
		{"GET", "/kv/open/../secret/a", "", nobody + "400 400 400 400 400 400 400 400"},
		{"GET", "/kv/.kvs/tokens", "", nobody + "400 400 400 400 400 400 400 400"},
		{"GET", "/kv/.kvs/", "", nobody + "400 400 400 400 400 400 400 400"},
		{"PUT", "/kv/.kvs/tokens", "x", nobody + "400 400 400 400 400 400 400 400"},
		{"DELETE", "/kv/%2Ekvs/tokens", "", nobody + "400 400 400 400 400 400 400 400"},
		{"PUT", "/kv/open/b", "x", nobody + "403 201 403 403 204 204 204 204"},
		{"DELETE", "/kv/open/c", "", nobody + "403 204 403 403 204 204 204 204"},
		{"PUT", "/kv/secret/b", "x", nobody + "403 403 403 403 403 201 204 204"},
		{"POST", "/batch", `[{"op":"get","path":"open/a"}]`, nobody + "207 207 207 207 207 207 207 207"},
		{"DELETE", "/kv/open/d/?recursive=true&confirm=open/d/", "", nobody + "403 403 403 403 200 200 200 200"},
		{"GET", "/conflicts", "", nobody + "200 200 200 200 200 200 200 200"},
		{"GET", "/conflicts/secret/a?uuid=00000000-0000-0000-0000-000000000001", "",
			nobody + "403 403 403 403 403 404 404 404"},
		{"GET", "/members/", "", nobody + "200 200 200 200 200 200 200 200"},
		{"GET", "/voters/", "", nobody + "200 200 200 200 200 200 200 200"},
		{"GET", "/status", "", nobody + "200 200 200 200 200 200 200 200"},
		{"GET", "/cluster", "", nobody + "200 200 200 200 200 200 200 200"},
		{"GET", "/mode", "", nobody + "200 200 200 200 200 200 200 200"},
		{"GET", "/readyz", "", nobody + "200 200 200 200 200 200 200 200"},
		{"GET", "/metrics", "", nobody + "200 200 200 200 200 200 200 200"},
		{"GET", "/openapi.yaml", "", nobody + "200 200 200 200 200 200 200 200"},
		{"GET", "/", "", nobody + "200 200 200 200 200 200 200 200"},
		{"GET", "/policy", "", nobody + "403 403 403 200 403 200 200 200"},
		{"GET", "/tokens", "", nobody + "403 403 403 200 403 200 200 200"},
		{"GET", "/keyring", "", nobody + "403 403 403 409 403 409 409 409"},
		{"POST", "/keyring", "{}", nobody + "403 403 403 409 403 409 409 409"},
		{"POST", "/tokens", "{}", nobody + "403 403 403 400 403 400 400 400"},
		{"DELETE", "/tokens/none", "", nobody + "403 403 403 404 403 404 404 404"},
		{"PUT", "/mode", "{}", nobody + "403 403 403 400 403 400 400 400"},
		{"GET", "/log-level", "", nobody + "403 403 403 404 403 404 404 404"},
		{"PUT", "/log-level", "{}", nobody + "403 403 403 400 403 400 400 400"},
		{"GET", "/debug/profile", "", nobody + "403 403 403 400 403 400 400 400"},
		{"GET", "/debug/recording", "", nobody + "403 403 403 404 403 404 404 404"},
		{"GET", "/debug/recording?hash_values=true", "", nobody + "403 403 403 404 403 404 404 404"},
		{"PUT", "/policy", "{}", nobody + "403 403 403 400 403 400 400 400"},
		{"PUT", "/voters/x", "", nobody + "403 403 403 400 403 400 400 400"},
		{"DELETE", "/voters/x", "", nobody + "403 403 403 400 403 400 400 400"},
		{"POST", "/members/join", "{}", nobody + "403 403 403 400 403 400 400 400"},
		{"POST", "/members/leave", "{}", nobody + "403 403 403 404 403 404 404 404"},
		{"DELETE", "/members/zzzzzzzzzzzzzzzz", "", nobody + "403 403 403 400 403 400 400 400"},
		{"POST", api.PathFrames, "f", "403 403 403 403 403 403 403 403 403 403 403 403 403 403 415"},
		{"GET", "/ui", "", "200 200 200 200 200 200 200 200 200 200 200 200 200 200 200"},
		{"GET", "/ui/app.js", "", "200 200 200 200 200 200 200 200 200 200 200 200 200 200 200"},
		{"PUT", "/ui", "", nobody + "403 403 403 405 403 405 405 405"},
		{"GET", "/livez", "", "200 200 200 200 200 200 200 200 200 200 200 200 200 200 200"},
		{"GET", "/none", "", nobody + "403 403 403 404 403 404 404 404"},
		{"GET", "//kv/secret/a", "", nobody + "403 403 403 404 403 404 404 404"},
		{"GET", "/KV/secret/a", "", nobody + "403 403 403 404 403 404 404 404"},
		{"PATCH", "/kv/open/a", "", nobody + "403 400 403 403 400 400 400 400"},
		{"POST", "/kv/open/a", "", nobody + "403 405 403 403 405 405 405 405"},
		{"OPTIONS", "/kv/open/a", "", nobody + "204 204 204 204 204 204 204 204"},
	}
	seen := map[string]bool{}
	for _, row := range rows {
		seen[row.method+" "+routeOf(row.target)] = true
		for i, want := range strings.Fields(row.want) {
			headers := []string{}
			if strings.HasPrefix(row.body, "{") || strings.HasPrefix(row.body, "[") {
				headers = append(headers, "Content-Type", api.ContentTypeJSON)
			}
			if row.target == "/voters/x" || row.body == "f" {
				headers = append(headers, "Content-Type", "text/plain")
			}
			var r reply
			if c := certificates[columns[i]]; c != nil {
				r = g.with(c, row.method, row.target, row.body, headers...)
			} else {
				r = g.as(columns[i], row.method, row.target, row.body, headers...)
			}
			require.Equal(t, want, fmt.Sprint(r.status), "%s %s as %q: %s", row.method, row.target, columns[i], r.body)
			if r.status == http.StatusUnauthorized {
				require.Equal(t, `Bearer realm="kvs"`, r.header.Get("WWW-Authenticate"))
				require.NotContains(t, r.body, "open", "nothing is told of paths")
			}
		}
	}
	for _, r := range g.server.app.GetRoutes(true) {
		if r.Method != "HEAD" {
			require.True(t, seen[r.Method+" "+r.Path], "no row for the route %s %s", r.Method, r.Path)
		}
	}
	require.NotContains(t, g.log.String(), g.tokens["admin"])
}

// routeOf is the route that a target of the table belongs to.
func routeOf(target string) string {
	for prefix, route := range map[string]string{
		"/kv/": "/kv/*", "/conflicts/": "/conflicts/*", "/tokens/": "/tokens/:id", "/voters/x": "/voters/*",
		"/ui/": "/ui/*"} {
		if strings.HasPrefix(target, prefix) {
			return route
		}
	}
	if target == "/members/zzzzzzzzzzzzzzzz" {
		return "/members/:id<len(16)>"
	}
	return target
}

// Shapes in which other servers were led to see another request, or another caller, than the one who decided.
func TestShapesThatSmuggle(t *testing.T) {
	g := newGuarded(t)
	g.store("secret/a")
	g.give("reader", api.WantedToken{Rules: []api.TokenRule{allow("open", "read", "write")}})
	send := func(text string) string {
		t.Helper()
		conn, err := tls.Dial("tcp", g.addr, g.client(certstest.Files{}).Transport.(*http.Transport).TLSClientConfig)
		require.NoError(t, err)
		defer conn.Close()
		require.NoError(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
		_, err = io.WriteString(conn, text)
		require.NoError(t, err)
		require.NoError(t, conn.CloseWrite())
		b, _ := io.ReadAll(conn)
		return string(b)
	}
	token := "Authorization: Bearer " + g.tokens["reader"] + "\r\n"
	admin := "Authorization: Bearer " + g.tokens["admin"] + "\r\n"
	hidden := "GET /kv/secret/a HTTP/1.1\r\nHost: x\r\n" + token + "\r\n"
	for what, text := range map[string]string{
		"two tokens":            "GET /kv/secret/a HTTP/1.1\r\nHost: x\r\n" + token + admin + "\r\n",
		"as a member would say": "GET /kv/secret/a HTTP/1.1\r\nHost: x\r\nKvs-Via: n2\r\nKvs-As: admin/root\r\n\r\n",
		"the same with a token": "GET /kv/secret/a HTTP/1.1\r\nHost: x\r\nKvs-Via: n2\r\nKvs-As: admin/root\r\n" +
			token + "\r\n",
		"an absolute target": "GET http://x/kv/secret/a HTTP/1.1\r\nHost: x\r\n" + token + "\r\n",
		"an authority":       "GET //x/kv/secret/a HTTP/1.1\r\nHost: x\r\n" + token + "\r\n",
		"dots":               "GET /kv/open/../secret/a HTTP/1.1\r\nHost: x\r\n" + token + "\r\n",
		"encoded dots":       "GET /kv/open/%2e%2e/secret/a HTTP/1.1\r\nHost: x\r\n" + token + "\r\n",
		"a fragment":         "GET /kv/open/a#/../../secret/a HTTP/1.1\r\nHost: x\r\n" + token + "\r\n",
		"both lengths": "PUT /kv/open/a HTTP/1.1\r\nHost: x\r\n" + token +
			fmt.Sprintf("Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", len(hidden)+5) + hidden,
		"two lengths": "PUT /kv/open/a HTTP/1.1\r\nHost: x\r\n" + token +
			fmt.Sprintf("Content-Length: 0\r\nContent-Length: %d\r\n\r\n", len(hidden)) + hidden,
		"a space before colon": "GET /kv/secret/a HTTP/1.1\r\nHost: x\r\nAuthorization : Bearer " + g.tokens["admin"] +
			"x\r\n\r\n",
		"a folded header": "GET /kv/secret/a HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer\r\n " +
			g.tokens["reader"] + "\r\n\r\n",
		"another method": "GET /kv/secret/a HTTP/1.1\r\nHost: x\r\nX-HTTP-Method-Override: PUT\r\n" + token +
			"\r\n",
		"after a refused body": "PUT /kv/secret/a HTTP/1.1\r\nHost: x\r\n" + token +
			fmt.Sprintf("Content-Length: %d\r\n\r\n", len(hidden)) + strings.Replace(hidden, token, admin, 1),
	} {
		got := send(text)
		require.NotContains(t, got, " 200 OK", what)
		require.NotContains(t, got, "\r\n\r\nv", what)
	}
	for _, r := range g.core.taken() {
		require.False(t, strings.HasPrefix(r.Path, "secret"), "%+v", r)
	}
}

// While many change the table at once, each change counts.
func TestTokensOfManyAtOnce(t *testing.T) {
	g := newGuarded(t)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			r := g.as("admin", http.MethodPost, "/tokens",
				fmt.Sprintf(`{"name":"t%d","rules":[{"prefix":"","allow":["read"]}]}`, i), "Content-Type",
				api.ContentTypeJSON)
			if r.status != http.StatusCreated {
				t.Errorf("%d %s", r.status, r.body)
			}
		})
	}
	wg.Wait()
	var doc api.Tokens
	g.as("admin", http.MethodGet, "/tokens", "").json(&doc)
	var names []string
	for _, tok := range doc.Tokens {
		names = append(names, tok.Name)
	}
	slices.Sort(names)
	require.Equal(t, []string{"t0", "t1", "t2", "t3"}, names)
}

func jsonOf(t testing.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	require.NoError(t, err)
	return string(b)
}
