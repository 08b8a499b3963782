package rest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/scenarios/live/driver"
	"kvs/scenarios/live/driver/drivertest"
)

// shop is a store with a REST interface of its own, which compares values: POST /do with a JSON document.
type shop struct {
	mu sync.Mutex
	kv map[string]string
}

func (s *shop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var q struct{ Do, Key, Value, Expect string }
	text, _ := io.ReadAll(r.Body)
	if err := json.Unmarshal(text, &q); err != nil || r.Header.Get("X-Key") != q.Key {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	is, found := s.kv[q.Key]
	switch {
	case q.Do == "get" && found:
		_ = json.NewEncoder(w).Encode(map[string]any{"hits": []any{map[string]any{"value": is}}})
		return
	case q.Do == "get":
		fmt.Fprint(w, `{"hits":[]}`)
		return
	case q.Do == "create" && found, strings.HasPrefix(q.Do, "cas") && (!found || is != q.Expect):
		fmt.Fprintln(w, "no")
		return
	case strings.HasSuffix(q.Do, "delete"):
		delete(s.kv, q.Key)
	default:
		s.kv[q.Key] = q.Value
	}
	fmt.Fprintln(w, "yes")
}

func shopOptions() Options {
	do := func(what string) Request {
		return Request{Method: "POST", Path: "/do", OK: []int{200}, Fail: []int{400}, RefusedIf: "no",
			Header: map[string]string{"X-Key": "{{.Key}}"},
			Body: `{"do": "` + what + `", "key": {{json .Key}}, "value": "{{base64 .Value}}", ` +
				`"expect": "{{base64 .Expect}}"}`}
	}
	o := Options{Get: do("get"), Put: do("put"), Delete: do("delete"), Create: do("create"), CAS: do("cas"),
		CASDelete: do("cas-delete")}
	o.Get.Value, o.Get.Encoding = "json hits.0.value", "base64"
	return o
}

func TestAStoreByTemplates(t *testing.T) {
	server := httptest.NewServer(&shop{kv: map[string]string{}})
	defer server.Close()
	d, err := New(shopOptions())
	require.NoError(t, err)
	drivertest.Run(t, d, server.Listener.Addr().String())
}

// An operation without a request is not done, and neither is a condition on a version that no answer has named.
func TestWhatAFileDoesNotSay(t *testing.T) {
	server := httptest.NewServer(&shop{kv: map[string]string{}})
	defer server.Close()
	o := shopOptions()
	o.Delete, o.CAS.Header = Request{}, map[string]string{"If-Match": "{{.Version}}"}
	d, err := New(o)
	require.NoError(t, err)
	c, err := d.Open(server.Listener.Addr().String())
	require.NoError(t, err)
	defer c.Close()
	err = c.Delete(t.Context(), "a", nil)
	require.ErrorContains(t, err, "no request for this operation")
	require.True(t, driver.Certain(err))
	_, err = c.Put(t.Context(), "a", []byte("x"), &driver.Condition{Found: true, Bytes: []byte("y")})
	require.ErrorContains(t, err, "the version is not known")
	require.True(t, driver.Certain(err))
}

func TestStatuses(t *testing.T) {
	status := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("ETag", `"7"`)
		w.WriteHeader(status)
		_, _ = w.Write([]byte(`{"n": 12345678901234567890}`))
	}))
	defer server.Close()
	r := Request{Method: "PUT", Path: "/{{path .Key}}", OK: []int{200}, Absent: []int{404}, Refused: []int{412},
		Fail: []int{400}, Version: "header ETag", Value: "json n"}
	d, err := New(Options{Get: r, Put: r, Create: r})
	require.NoError(t, err)
	c, err := d.Open(server.Listener.Addr().String())
	require.NoError(t, err)
	defer c.Close()
	put := func(code int) (string, error) {
		status = code
		return c.Put(t.Context(), "a b", nil, nil)
	}
	version, err := put(200)
	require.NoError(t, err)
	require.Equal(t, `"7"`, version)
	_, err = put(412)
	require.ErrorIs(t, err, driver.ErrRefused)
	_, err = put(400)
	require.True(t, driver.Certain(err))
	_, err = put(503)
	require.Error(t, err)
	require.False(t, driver.Certain(err), "a status in no list")
	status = 404
	v, err := c.Get(t.Context(), "a")
	require.NoError(t, err)
	require.False(t, v.Found)
	status = 200
	v, err = c.Get(t.Context(), "a")
	require.NoError(t, err)
	require.Equal(t, driver.Value{Found: true, Bytes: []byte("12345678901234567890"), Version: `"7"`}, v)
}

func TestMistakesInRequests(t *testing.T) {
	good := Request{Method: "GET", Path: "/{{.Key}}", OK: []int{200}}
	for want, change := range map[string]func(r *Request){
		"no method":             func(r *Request) { r.Method = "" },
		"begin with a slash":    func(r *Request) { r.Path = "kv" },
		"no status is ok":       func(r *Request) { r.OK = nil },
		"use body, or json":     func(r *Request) { r.Value = "xml a" },
		"use base64, or none":   func(r *Request) { r.Encoding = "hex" },
		"header and a name":     func(r *Request) { r.Version = "ETag" },
		"can't evaluate field":  func(r *Request) { r.Body = "{{.Keys}}" },
		"function \"xyz\"":      func(r *Request) { r.Header = map[string]string{"a": "{{xyz .Key}}"} },
		"put: it has no method": func(r *Request) { r.Method = "" },
		"bad character":         func(r *Request) { r.Path = "/{{.Key}" },
	} {
		bad := good
		change(&bad)
		o := Options{Get: bad, Put: good}
		if strings.HasPrefix(want, "put") {
			o = Options{Get: good, Put: bad}
		}
		_, err := New(o)
		require.ErrorContains(t, err, want)
	}
}

func TestPick(t *testing.T) {
	for _, test := range []struct{ document, path, want string }{
		{`{"a": [{"b": "x"}]}`, "a.0.b", "x"},
		{`[{"b": 7}]`, "0.b", "7"},
		{`{"a": []}`, "a.0.b", ""},
		{`{"a": null}`, "a", ""},
		{`{}`, "a.b", ""},
	} {
		text, found, err := pick([]byte(test.document), test.path)
		require.NoError(t, err)
		require.Equal(t, test.want, text)
		require.Equal(t, test.want != "", found)
	}
	_, _, err := pick([]byte("x"), "a")
	require.Error(t, err)
	_, _, err = pick([]byte(`{"a": {}}`), "a")
	require.ErrorContains(t, err, "neither a text nor a number")
}
