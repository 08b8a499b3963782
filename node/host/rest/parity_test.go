package rest

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"kvs/node"
	"kvs/node/api"
	"kvs/node/slot"
)

// parameter is one of an operation in the OpenAPI document.
type parameter struct {
	Ref  string `yaml:"$ref"`
	Name string
	In   string
}

// documented returns the operations of the OpenAPI document, "GET /status" and so on, with the request headers that
// each lists.
func documented(t *testing.T) map[string][]string {
	t.Helper()
	var doc struct {
		Paths      map[string]map[string]yaml.Node
		Components struct{ Parameters map[string]parameter }
	}
	require.NoError(t, yaml.Unmarshal(api.OpenAPI, &doc))
	operations := map[string][]string{}
	for path, methods := range doc.Paths {
		for method, body := range methods {
			if method == "parameters" { // of all methods; none is a header.
				var shared []parameter
				require.NoError(t, body.Decode(&shared))
				require.False(t, slices.ContainsFunc(shared, func(p parameter) bool { return p.In == "header" }), path)
				continue
			}
			var operation struct{ Parameters []parameter }
			require.NoError(t, body.Decode(&operation))
			headers := []string{}
			for _, p := range operation.Parameters {
				if p.Ref != "" {
					p = doc.Components.Parameters[strings.TrimPrefix(p.Ref, "#/components/parameters/")]
				}
				if p.In == "header" {
					headers = append(headers, p.Name)
				}
			}
			slices.Sort(headers)
			operations[strings.ToUpper(method)+" "+path] = headers
		}
	}
	return operations
}

// The OpenAPI document has the routes of the server with all their methods, HEAD included, and the server those of the
// document.
func TestRoutesAreDocumented(t *testing.T) {
	s := newSite(t)
	served := map[string]bool{}
	for _, r := range s.server.app.GetRoutes(true) {
		served[r.Method+" "+r.Path] = true
	}
	written := map[string]bool{}
	for operation := range documented(t) {
		method, path, _ := strings.Cut(operation, " ")
		switch path {
		case "/kv/{path}", "/kv/{directory}/":
			path = "/kv/*"
		case "/tokens/{id}":
			path = "/tokens/:id"
		case "/members/{id}":
			path = "/members/:id<len(16)>"
		case "/voters/{id}":
			path = "/voters/*"
		case "/conflicts/{path}":
			path = "/conflicts/*"
		case "/ui/{file}":
			path = "/ui/*"
		}
		written[method+" "+path] = true
	}
	require.Equal(t, slices.Sorted(maps.Keys(served)), slices.Sorted(maps.Keys(written)))
}

// Each header of requests that means something to a route is documented there, and each that is documented means
// something: with it, a read has another answer, and of a write the core is asked something else. A header that is
// refused need not be listed.
func TestRequestHeadersAreDocumented(t *testing.T) {
	s := newSite(t, func(o *Options) { o.Console = true })
	stored := node.Slot{TS: 5 << 16, Candidates: []node.Candidate{{UUID: node.UUID{1}, Origin: 1, Value: []byte("x")}}}
	require.NoError(t, s.core.store.Apply([]node.Change{{Key: "r/a", Value: slot.Encode("a", &stored)}}))
	samples := map[string]string{"If-Match": `"x"`, "If-None-Match": "*", api.HeaderIdempotencyKey: "k",
		api.HeaderTTL: "60", api.HeaderDeadline: "1", "Range": "bytes=9-", "If-Range": ""}
	targets := map[string]string{
		"/kv/{path}": "/kv/a", "/kv/{directory}/": "/kv/", "/conflicts/{path}": "/conflicts/a?uuid=" +
			stored.Candidates[0].UUID.String(),
		"/members/{id}": "/members/00000000000000aa", "/voters/{id}": "/voters/00000000000000aa",
		"/tokens/{id}": "/tokens/aa", "/ui/{file}": "/ui/app.js",
	}
	ask := func(method, target string, headers ...string) (status int, asked node.Request) {
		before := len(s.core.taken())
		status = s.do(method, target, "", headers...).status
		if taken := s.core.taken(); len(taken) > before {
			asked = *taken[len(taken)-1]
		}
		return status, asked
	}
	for operation, headers := range documented(t) {
		method, path, _ := strings.Cut(operation, " ")
		if method == http.MethodPost && path != api.PathBatch {
			require.Empty(t, headers, operation)
			continue // they act on the node or the cluster; no header does more than name the media type.
		}
		if method == http.MethodPatch {
			require.Equal(t, renewalHeaders(s), headers, operation)
			continue
		}
		target, named := targets[path]
		if method == http.MethodHead { // ranges are for GET alone (RFC 9110 section 14.2).
			headers = slices.DeleteFunc(headers, func(h string) bool { return strings.HasSuffix(h, "Range") })
		}
		reads := method == http.MethodGet || method == http.MethodHead
		switch {
		case !named:
			target = path
		case target == "/kv/a" && !reads:
			target = "/kv/b" // what is read stays as it is.
		}
		known := []string{}
		for header, sample := range samples {
			plainStatus, plain := ask(method, target)
			with, without := []string{header, sample}, plainStatus
			if header == "If-Range" { // it has a meaning beside a Range alone.
				with = []string{header, `"x"`, "Range", "bytes=9-"}
				without, _ = ask(method, target, "Range", "bytes=9-")
			}
			status, asked := ask(method, target, with...)
			if reads && status != without || status == http.StatusGatewayTimeout || !reads &&
				(asked.Condition.Kind != plain.Condition.Kind || asked.Key != plain.Key || asked.TTL != plain.TTL) {
				known = append(known, header)
			}
		}
		slices.Sort(known)
		require.Equal(t, known, headers, operation)
	}
}

// renewalHeaders are those with which a renewal has another answer, beside the one that it needs. Headers that are
// refused need not be listed.
func renewalHeaders(s *site) []string {
	s.t.Helper()
	require.Equal(s.t, http.StatusCreated, s.do("PUT", "/kv/renewed", "x").status) // what others read stays as it is.
	require.Equal(s.t, http.StatusBadRequest, s.do("PATCH", "/kv/renewed", "").status)
	require.Equal(s.t, http.StatusNoContent, s.do("PATCH", "/kv/renewed", "", api.HeaderTTL, "60").status)
	known := []string{api.HeaderTTL}
	for header, sample := range map[string]string{"If-Match": `"x"`, "If-None-Match": "*", api.HeaderDeadline: "1",
		api.HeaderIdempotencyKey: "k"} {
		status := s.do("PATCH", "/kv/renewed", "", api.HeaderTTL, "60", header, sample).status
		if status != http.StatusNoContent && status != http.StatusBadRequest {
			known = append(known, header)
		}
	}
	slices.Sort(known)
	return known
}
