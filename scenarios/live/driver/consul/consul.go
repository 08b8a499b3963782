// Package consul speaks to the key-value store of Consul by its HTTP API
// (https://developer.hashicorp.com/consul/api-docs/kv).
package consul

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"kvs/scenarios/live/driver"
)

// Options of the driver, as a system's file has them.
type Options struct {
	// Reads is the consistency mode of reads: consistent, for which the leader asks a majority; default, which the
	// leader answers as long as it believes to be one; or stale, which every server answers.
	Reads string `yaml:"reads"`
}

const consistent = "consistent"

var modes = []string{consistent, "default", "stale"}

// New returns the driver. Without a word about reads they are consistent.
func New(o Options) (driver.Driver, error) {
	if o.Reads == "" {
		o.Reads = consistent
	}
	if !slices.Contains(modes, o.Reads) {
		return nil, fmt.Errorf("reads: %q: use one of %s", o.Reads, strings.Join(modes, ", "))
	}
	return opener{o.Reads}, nil
}

type opener struct{ mode string }

func (o opener) Open(endpoint string) (driver.Client, error) {
	return &client{driver.NewWeb(endpoint), o.mode}, nil
}

type client struct {
	web  *driver.Web
	mode string
}

func (c *client) Get(ctx context.Context, key string) (driver.Value, error) {
	return c.get(ctx, key, c.mode)
}

// entry is an element of the answer to a read.
type entry struct {
	Value       []byte // in base64.
	ModifyIndex uint64
}

func (c *client) get(ctx context.Context, key, mode string) (v driver.Value, err error) {
	a, err := c.web.Do(ctx, http.MethodGet, path(key)+"?"+mode, nil, nil)
	switch {
	case err != nil:
		return v, err
	case a.Status == http.StatusNotFound:
		return v, nil
	case a.Status != http.StatusOK:
		return v, fmt.Errorf("consul answered with %s", a)
	}
	var all []entry
	if err := json.Unmarshal(a.Body, &all); err != nil {
		return v, fmt.Errorf("consul answered with %s: %w", a, err)
	}
	if len(all) != 1 {
		return v, fmt.Errorf("consul answered with %d entries for one key", len(all))
	}
	return driver.Value{Found: true, Bytes: all[0].Value, Version: strconv.FormatUint(all[0].ModifyIndex, 10)}, nil
}

func (c *client) Put(ctx context.Context, key string, value []byte, condition *driver.Condition) (string, error) {
	query, err := c.condition(ctx, key, condition)
	if err != nil {
		return "", err
	}
	return "", c.write(ctx, http.MethodPut, path(key)+query, value)
}

func (c *client) Delete(ctx context.Context, key string, condition *driver.Condition) error {
	query, err := c.condition(ctx, key, condition)
	if err != nil {
		return err
	}
	return c.write(ctx, http.MethodDelete, path(key)+query, nil)
}

// condition is the query of a write. Consul compares by the index of the last change, and zero is that of an absent
// key. The answer to a write does not tell the index: it is read then, consistently.
func (c *client) condition(ctx context.Context, key string, condition *driver.Condition) (string, error) {
	switch {
	case condition == nil:
		return "", nil
	case !condition.Found:
		return "?cas=0", nil
	case condition.Version != "":
		return "?cas=" + condition.Version, nil
	}
	is, err := c.get(ctx, key, consistent)
	if err != nil {
		return "", driver.NotDone(err)
	}
	if !is.Found || string(is.Bytes) != string(condition.Bytes) {
		return "", driver.ErrRefused
	}
	return "?cas=" + is.Version, nil
}

// write sends a write. Its answer is true, or false if the condition did not hold. An error of a server leaves open
// whether the write happens yet: it may have been proposed.
func (c *client) write(ctx context.Context, method, path string, body []byte) error {
	a, err := c.web.Do(ctx, method, path, nil, body)
	switch {
	case err != nil:
		return err
	case a.Status >= 400 && a.Status < 500:
		return driver.NotDonef("consul answered with %s", a)
	case a.Status != http.StatusOK:
		return fmt.Errorf("consul answered with %s", a)
	}
	switch strings.TrimSpace(string(a.Body)) {
	case "true":
		return nil
	case "false":
		return driver.ErrRefused
	}
	return fmt.Errorf("consul answered with %s: want true or false", a)
}

func (c *client) Close() { c.web.Close() }

func path(key string) string { return "/v1/kv/" + (&url.URL{Path: key}).EscapedPath() }
