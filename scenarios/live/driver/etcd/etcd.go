// Package etcd speaks to etcd by its JSON gateway, which each member serves at its address for clients, below /v3: the
// requests and answers are those of etcd's rpc.proto, bytes are in base64, and 64-bit numbers are strings
// (https://etcd.io/docs/v3.4/dev-guide/api_grpc_gateway/).
package etcd

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"kvs/scenarios/live/driver"
)

// Options of the driver, as a system's file has them.
type Options struct {
	// Reads is linearizable, etcd's usual way: the leader confirms each read with a majority; or serializable: a member
	// answers from what it has.
	Reads string `yaml:"reads"`
}

// The words of Options.Reads.
const (
	linearizable = "linearizable"
	serializable = "serializable"
)

// New returns the driver.
func New(o Options) (driver.Driver, error) {
	switch o.Reads {
	case "", linearizable, serializable:
		return opener{o.Reads == serializable}, nil
	}
	return nil, fmt.Errorf("reads: %q: use %s or %s", o.Reads, linearizable, serializable)
}

type opener struct{ serializable bool }

func (o opener) Open(endpoint string) (driver.Client, error) {
	return &client{driver.NewWeb(endpoint), o.serializable}, nil
}

type client struct {
	web          *driver.Web
	serializable bool
}

// The messages of rpc.proto, with the fields that are used.
type (
	rangeRequest struct {
		Key          []byte `json:"key"`
		Serializable bool   `json:"serializable,omitempty"`
	}
	putRequest struct {
		Key   []byte `json:"key"`
		Value []byte `json:"value"`
	}
	deleteRequest struct {
		Key []byte `json:"key"`
	}
	compare struct {
		Key            []byte `json:"key"`
		Target         string `json:"target"`
		Result         string `json:"result"`
		Value          []byte `json:"value,omitempty"`           // target VALUE.
		CreateRevision string `json:"create_revision,omitempty"` // target CREATE.
	}
	operation struct {
		Put    *putRequest    `json:"request_put,omitempty"`
		Delete *deleteRequest `json:"request_delete_range,omitempty"`
	}
	transaction struct {
		Compare []compare   `json:"compare"`
		Success []operation `json:"success"`
	}
	keyValue struct {
		Value []byte `json:"value"`
	}
	answer struct {
		KVs       []keyValue `json:"kvs"`
		Succeeded bool       `json:"succeeded"`
	}
)

func (c *client) Get(ctx context.Context, key string) (driver.Value, error) {
	a, err := c.ask(ctx, "range", rangeRequest{[]byte(key), c.serializable})
	if err != nil || len(a.KVs) == 0 {
		return driver.Value{}, err
	}
	return driver.Value{Found: true, Bytes: a.KVs[0].Value}, nil
}

func (c *client) Put(ctx context.Context, key string, value []byte, condition *driver.Condition) (string, error) {
	put := putRequest{[]byte(key), value}
	if condition == nil {
		_, err := c.ask(ctx, "put", put)
		return "", err
	}
	return "", c.transact(ctx, key, condition, operation{Put: &put})
}

func (c *client) Delete(ctx context.Context, key string, condition *driver.Condition) error {
	request := deleteRequest{[]byte(key)}
	if condition == nil {
		_, err := c.ask(ctx, "deleterange", request)
		return err
	}
	return c.transact(ctx, key, condition, operation{Delete: &request})
}

// transact does an operation if a condition holds. A key that is absent has the revision zero of creation; a key that
// holds a value is compared by it.
func (c *client) transact(ctx context.Context, key string, condition *driver.Condition, do operation) error {
	is := compare{Key: []byte(key), Target: "CREATE", Result: "EQUAL", CreateRevision: "0"}
	if condition.Found {
		is = compare{Key: []byte(key), Target: "VALUE", Result: "EQUAL", Value: condition.Bytes}
	}
	a, err := c.ask(ctx, "txn", transaction{[]compare{is}, []operation{do}})
	if err == nil && !a.Succeeded {
		return driver.ErrRefused
	}
	return err
}

func (c *client) Close() { c.web.Close() }

var header = http.Header{"Content-Type": {"application/json"}}

// ask sends one request. All errors of etcd but those about the request itself leave open whether it happens yet: the
// member may have proposed it.
func (c *client) ask(ctx context.Context, method string, request any) (a answer, err error) {
	body, err := json.Marshal(request)
	if err != nil {
		return a, driver.NotDone(err)
	}
	got, err := c.web.Do(ctx, http.MethodPost, "/v3/kv/"+method, header, body)
	switch {
	case err != nil:
		return a, err
	case got.Status == http.StatusBadRequest || got.Status == http.StatusNotFound:
		return a, driver.NotDonef("etcd answered with %s", got)
	case got.Status != http.StatusOK:
		return a, fmt.Errorf("etcd answered with %s", got)
	}
	if err := json.Unmarshal(got.Body, &a); err != nil {
		return a, fmt.Errorf("etcd answered with %s: %w", got, err)
	}
	return a, nil
}
