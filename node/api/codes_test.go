package api

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/node"
)

func TestEveryNodeCodeHasItsPlace(t *testing.T) {
	for _, c := range node.Codes() {
		code, refused := FromNode(c)
		require.Equal(t, c != node.CodeOK && c != node.CodeCreated, refused, "%v", c)
		if refused {
			require.Equal(t, c.String(), string(code), "one word a concept")
			_, err := Describe(code)
			require.NoError(t, err)
		}
	}
}

func TestCodesAreWhole(t *testing.T) {
	for code, k := range kinds {
		require.NotEmpty(t, http.StatusText(k.Status), code)
		require.GreaterOrEqual(t, k.Status, 400)
		require.NotEmpty(t, k.Title)
		require.Contains(t, string(OpenAPI), "`"+string(code)+"`", "openapi.yaml does not list the code %s", code)
		require.Equal(t, strings.ToLower(string(code)), string(code))
	}
	_, err := Describe("nonsense")
	require.ErrorContains(t, err, "newer than this client")
}

func TestProblemDocument(t *testing.T) {
	b, err := json.Marshal(Problem{Type: "about:blank", Title: "T", Status: 503, Code: ReadOnly, Retryable: true,
		Outcome: NotApplied, RetryAfter: 1})
	require.NoError(t, err)
	require.JSONEq(t,
		`{"type":"about:blank","title":"T","status":503,"code":"read_only","retryable":true,`+
			`"outcome":"not_applied","retry_after":1}`, string(b))
}
