package etcd

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/scenarios/live/driver"
	"kvs/scenarios/live/driver/drivertest"
)

// fake answers as etcd's gateway does. kvsim's own tests have the real one.
type fake struct {
	mu       sync.Mutex
	kv       map[string][]byte
	requests []rangeRequest
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	read := func(to any) { _ = json.NewDecoder(r.Body).Decode(to) }
	answer := map[string]any{"header": map[string]any{"revision": "7"}}
	switch r.URL.Path {
	case "/v3/kv/range":
		var q rangeRequest
		read(&q)
		f.requests = append(f.requests, q)
		if value, ok := f.kv[string(q.Key)]; ok {
			answer["kvs"] = []any{map[string]any{"key": q.Key, "mod_revision": "5", "value": value}}
			answer["count"] = "1"
		}
	case "/v3/kv/put":
		var q putRequest
		read(&q)
		f.kv[string(q.Key)] = q.Value
	case "/v3/kv/deleterange":
		var q deleteRequest
		read(&q)
		delete(f.kv, string(q.Key))
	case "/v3/kv/txn":
		var q transaction
		read(&q)
		c, do := q.Compare[0], q.Success[0]
		value, found := f.kv[string(c.Key)]
		holds := c.Target == "CREATE" && c.CreateRevision == "0" && !found ||
			c.Target == "VALUE" && found && bytes.Equal(value, c.Value)
		if holds && c.Result == "EQUAL" { // the gateway leaves out what is false.
			answer["succeeded"] = true
			if do.Put != nil {
				f.kv[string(do.Put.Key)] = do.Put.Value
			} else {
				delete(f.kv, string(do.Delete.Key))
			}
		}
	default:
		w.WriteHeader(http.StatusNotFound)
	}
	_ = json.NewEncoder(w).Encode(answer)
}

func TestEtcd(t *testing.T) {
	f := &fake{kv: map[string][]byte{}}
	server := httptest.NewServer(f)
	defer server.Close()
	for reads, serializable := range map[string]bool{"": false, "linearizable": false, "serializable": true} {
		f.requests, f.kv = nil, map[string][]byte{}
		d, err := New(Options{Reads: reads})
		require.NoError(t, err)
		drivertest.Run(t, d, server.Listener.Addr().String())
		for _, q := range f.requests {
			require.Equal(t, serializable, q.Serializable)
		}
		require.NotEmpty(t, f.requests)
	}
	_, err := New(Options{Reads: "fast"})
	require.ErrorContains(t, err, "use linearizable or serializable")
}

// A member that has proposed a write and gives up on it answers with an error, and the write may happen yet.
func TestErrorsOfMembers(t *testing.T) {
	status := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = w.Write([]byte(`{"error":"etcdserver: request timed out","code":14}`))
	}))
	defer server.Close()
	d, err := New(Options{})
	require.NoError(t, err)
	c, err := d.Open(server.Listener.Addr().String())
	require.NoError(t, err)
	defer c.Close()
	for _, test := range []struct {
		status  int
		certain bool
	}{{503, false}, {500, false}, {504, false}, {400, true}} {
		status = test.status
		_, err := c.Put(t.Context(), "a", []byte("x"), nil)
		require.ErrorContains(t, err, "request timed out")
		require.Equal(t, test.certain, driver.Certain(err), "%d", status)
	}
}
