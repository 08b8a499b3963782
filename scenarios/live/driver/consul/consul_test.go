package consul

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/scenarios/live/driver"
	"kvs/scenarios/live/driver/drivertest"
)

// fake answers as the documents of Consul's API say, and keeps the queries of the reads.
type fake struct {
	mu    sync.Mutex
	index uint64
	kv    map[string]entry
	reads []string
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	key := strings.TrimPrefix(r.URL.Path, "/v1/kv/")
	is, found := f.kv[key]
	if r.Method == http.MethodGet {
		f.reads = append(f.reads, r.URL.RawQuery)
		if !found {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		_ = json.NewEncoder(w).Encode([]map[string]any{{"LockIndex": 0, "Key": key, "Flags": 0, "Value": is.Value,
			"CreateIndex": 1, "ModifyIndex": is.ModifyIndex}})
		return
	}
	if text := r.URL.Query().Get("cas"); r.URL.Query().Has("cas") {
		index, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			http.Error(w, "invalid cas", http.StatusBadRequest)
			return
		}
		if index != is.ModifyIndex { // zero of an absent one.
			fmt.Fprintln(w, "false")
			return
		}
	}
	f.index++
	delete(f.kv, key)
	if r.Method == http.MethodPut {
		value, _ := io.ReadAll(r.Body)
		f.kv[key] = entry{value, f.index}
	}
	fmt.Fprintln(w, "true")
}

func TestConsul(t *testing.T) {
	f := &fake{kv: map[string]entry{}, index: 10}
	server := httptest.NewServer(f)
	defer server.Close()
	d, err := New(Options{})
	require.NoError(t, err)
	drivertest.Run(t, d, server.Listener.Addr().String())
	for _, q := range f.reads {
		require.Equal(t, "consistent", q)
	}
}

// A put names no index, so a condition on its value finds the index first.
func TestConditionsOnAValueThatWasPut(t *testing.T) {
	f := &fake{kv: map[string]entry{}, index: 10}
	server := httptest.NewServer(f)
	defer server.Close()
	d, err := New(Options{Reads: "stale"})
	require.NoError(t, err)
	c, err := d.Open(server.Listener.Addr().String())
	require.NoError(t, err)
	defer c.Close()
	ctx := t.Context()
	_, err = c.Put(ctx, "a", []byte("one"), nil)
	require.NoError(t, err)
	_, err = c.Put(ctx, "a", []byte("two"), &driver.Condition{Found: true, Bytes: []byte("one")})
	require.NoError(t, err)
	_, err = c.Put(ctx, "a", []byte("three"), &driver.Condition{Found: true, Bytes: []byte("one")})
	require.ErrorIs(t, err, driver.ErrRefused)
	_, err = c.Get(ctx, "a")
	require.NoError(t, err)
	require.Equal(t, []string{"consistent", "consistent", "stale"}, f.reads)
}

func TestErrorsOfServers(t *testing.T) {
	status := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
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
	}{{500, false}, {503, false}, {400, true}, {403, true}, {429, true}, {200, false}} { // 200 without true or false.
		status = test.status
		_, err := c.Put(t.Context(), "a", []byte("x"), nil)
		require.Error(t, err)
		require.Equal(t, test.certain, driver.Certain(err), "%d", status)
	}
	_, err = New(Options{Reads: "fast"})
	require.ErrorContains(t, err, "consistent, default, stale")
}
