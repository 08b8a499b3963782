// Package drivertest checks the contract of driver.Client: every driver passes the same suite, against its store or
// against a server that answers as the store's documents say.
package drivertest

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/chaos/ports"
	"kvs/scenarios/live/driver"
)

// patience bounds each operation.
const patience = 20 * time.Second

// Run runs the suite on a node whose store is empty below "suite/".
func Run(t *testing.T, d driver.Driver, endpoint string) {
	t.Helper()
	c, err := d.Open(endpoint)
	require.NoError(t, err)
	defer c.Close()
	s := suite{t, c}
	t.Run("values", func(t *testing.T) { suite{t, c}.values() })
	t.Run("conditions", func(t *testing.T) { suite{t, c}.conditions() })
	t.Run("conditional deletes", func(t *testing.T) { suite{t, c}.deletes() })
	t.Run("a node that is down", func(t *testing.T) { suite{t, c}.down(d) })
	s.t.Run("an operation that is cut short", func(t *testing.T) { suite{t, c}.silent(d) })
}

type suite struct {
	t *testing.T
	c driver.Client
}

func (s suite) get(key string) driver.Value {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	v, err := s.c.Get(ctx, key)
	require.NoError(s.t, err)
	return v
}

func (s suite) put(key, value string, condition *driver.Condition) (version string, err error) {
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	return s.c.Put(ctx, key, []byte(value), condition)
}

func (s suite) delete(key string, condition *driver.Condition) error {
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	return s.c.Delete(ctx, key, condition)
}

func (s suite) shows(key, value string) {
	s.t.Helper()
	v := s.get(key)
	require.True(s.t, v.Found, key)
	require.Equal(s.t, value, string(v.Bytes), key)
}

func (s suite) values() {
	require.False(s.t, s.get("suite/a").Found)
	_, err := s.put("suite/a", "one", nil)
	require.NoError(s.t, err)
	_, err = s.put("suite/a-/b", "c1.1....", nil)
	require.NoError(s.t, err)
	s.shows("suite/a", "one")
	s.shows("suite/a-/b", "c1.1....")
	_, err = s.put("suite/a", "two", nil)
	require.NoError(s.t, err)
	s.shows("suite/a", "two")
	require.NoError(s.t, s.delete("suite/a", nil))
	require.False(s.t, s.get("suite/a").Found)
	s.shows("suite/a-/b", "c1.1....")
}

func (s suite) conditions() {
	absent := s.get("suite/c")
	version, err := s.put("suite/c", "one", &absent)
	require.NoError(s.t, err)
	s.shows("suite/c", "one")
	_, err = s.put("suite/c", "other", &absent)
	require.ErrorIs(s.t, err, driver.ErrRefused)
	s.shows("suite/c", "one")

	if version != "" { // what a write has answered names its value as well as what a read has.
		_, err = s.put("suite/c", "one and a half",
			&driver.Condition{Found: true, Bytes: []byte("one"), Version: version})
		require.NoError(s.t, err)
	}
	is := s.get("suite/c")
	_, err = s.put("suite/c", "two", &is)
	require.NoError(s.t, err)
	_, err = s.put("suite/c", "three", &is)
	require.ErrorIs(s.t, err, driver.ErrRefused)
	s.shows("suite/c", "two")

	require.NoError(s.t, s.delete("suite/c", nil))
	_, err = s.put("suite/c", "four", &is)
	require.ErrorIs(s.t, err, driver.ErrRefused)
	absent = s.get("suite/c")
	require.False(s.t, absent.Found)
	_, err = s.put("suite/c", "five", &absent)
	require.NoError(s.t, err)
	s.shows("suite/c", "five")
}

func (s suite) deletes() {
	_, err := s.put("suite/d", "one", nil)
	require.NoError(s.t, err)
	is := s.get("suite/d")
	_, err = s.put("suite/d", "two", nil)
	require.NoError(s.t, err)
	require.ErrorIs(s.t, s.delete("suite/d", &is), driver.ErrRefused)
	s.shows("suite/d", "two")
	is = s.get("suite/d")
	require.NoError(s.t, s.delete("suite/d", &is))
	require.False(s.t, s.get("suite/d").Found)
	require.ErrorIs(s.t, s.delete("suite/d", &is), driver.ErrRefused)
}

// down: nothing can have been sent to a port on which no process listens, so a write has certainly not happened.
func (s suite) down(d driver.Driver) {
	port, err := ports.Free(1)
	require.NoError(s.t, err)
	c, err := d.Open(fmt.Sprintf("127.0.0.1:%d", port))
	require.NoError(s.t, err)
	defer c.Close()
	down := suite{s.t, c}
	for range 3 { // also when it is asked again.
		_, err = down.put("suite/e", "one", nil)
		require.Error(s.t, err)
		require.True(s.t, driver.Certain(err), "%v", err)
		_, err = c.Get(s.t.Context(), "suite/e")
		require.Error(s.t, err)
	}
}

// silent: a node that takes a connection and never answers leaves a write unknown; unless the store's protocol begins
// with a greeting, without which nothing is sent.
func (s suite) silent(d driver.Driver) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(s.t, err)
	defer l.Close()
	got := make(chan int, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		n, _ := conn.Read(make([]byte, 100)) // what the client sends; it gets no answer.
		got <- n
		_, _ = conn.Read(make([]byte, 1)) // until the client gives up.
	}()
	c, err := d.Open(l.Addr().String())
	require.NoError(s.t, err)
	defer c.Close()
	ctx, cancel := context.WithTimeout(s.t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err = c.Put(ctx, "suite/f", []byte("one"), nil)
	require.Error(s.t, err)
	require.NotErrorIs(s.t, err, driver.ErrRefused)
	c.Close()
	if n := <-got; n > 0 {
		require.False(s.t, driver.Certain(err), "%d bytes were sent: %v", n, err)
	}
}
