package watch

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"kvs/cmd/kvs/bulk"
	"kvs/node"
	"kvs/node/client"
)

const streamed = `event: snapshot-begin
id: t1
data: {"event":"snapshot-begin"}

event: put
id: t2
data: {"event":"put","path":"a","etag":"e1","bytes":3,"value":"one"}

event: snapshot-end
id: t3
data: {"event":"snapshot-end"}

event: delete
id: t4
data: {"event":"delete","path":"a"}

`

// runs runs the command against a member that has streamed.
func runs(t *testing.T, args ...string) (out, said string, query string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		query = r.URL.Path + "?" + r.URL.RawQuery
		_, _ = fmt.Fprint(w, streamed)
	}))
	defer server.Close()
	c, err := client.New(client.DefaultOptions(server.URL))
	require.NoError(t, err)
	defer c.Close()
	var stdout, stderr bytes.Buffer
	e := &bulk.Env{
		Out: &stdout, Err: &stderr, Say: func(format string, a ...any) { fmt.Fprintf(&stderr, format+"\n", a...) },
		Usage: fmt.Errorf,
		Asker: func(cmd *cobra.Command, _ bool, timeout time.Duration) bulk.Ask {
			cmd.Flags().Duration("timeout", timeout, "")
			return func(ctx context.Context, do func(context.Context, *client.Client, node.Level) error) error {
				return do(ctx, c, node.DefaultLevel)
			}
		},
		Output: func(cmd *cobra.Command, _ ...string) func() (string, error) {
			o := cmd.Flags().String("output", "text", "")
			return func() (string, error) { return *o, nil }
		},
	}
	cmd := New(e)
	cmd.SetArgs(args)
	cmd.SetContext(t.Context())
	require.NoError(t, cmd.Execute())
	return stdout.String(), stderr.String(), query
}

func TestWatch(t *testing.T) {
	out, said, query := runs(t, "/", "--limit", "2")
	require.Equal(t, "put a\ndelete a\n", out)
	require.Empty(t, said)
	require.Equal(t, "/kv/?watch=", query)
	out, _, query = runs(t, "a/", "--limit", "2", "--output", "json", "--since", "t0", "--values")
	require.Equal(t, `{"event":"put","path":"a","etag":"e1","bytes":3,"value":"one","token":"t2"}
{"event":"delete","path":"a","token":"t4"}
`, out)
	require.Equal(t, "/kv/a/?since=t0&values=true&watch=", query)
	out, _, _ = runs(t, "a/", "--limit", "2", "--events")
	require.Equal(t, "snapshot-begin\nput a\nsnapshot-end\ndelete a\n", out)
}

func TestExec(t *testing.T) {
	out, said, query := runs(t, "a/", "--limit", "2", "--exec",
		`echo "$KVS_EVENT $KVS_PATH $KVS_ETAG $KVS_TOKEN $(cat)"; test $KVS_EVENT = put`)
	require.Equal(t, "put a e1 t2 one\ndelete a  t4 \n", out)
	require.Contains(t, said, "the command failed for delete a: exit status 1")
	require.Equal(t, "/kv/a/?values=true&watch=", query)
}
