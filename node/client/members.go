package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"kvs/node"
	"kvs/node/api"
)

// Members returns the member table of the answering member.
func (c *Client) Members(ctx context.Context) ([]api.Member, error) {
	doc, err := document[api.Members](ctx, c, &request{method: http.MethodGet, name: "/members/", target: "/members/",
		bytesMax: documentBytesMax})
	return doc.Members, err
}

// Join makes the answering member contact others, again and again until one of them answers.
func (c *Client) Join(ctx context.Context, addresses []string) error {
	body, err := json.Marshal(api.Join{Addresses: addresses})
	if err != nil {
		return err
	}
	_, err = c.do(ctx, &request{
		method: http.MethodPost, name: "/members/join", target: "/members/join", bytesMax: documentBytesMax,
		body: body, contentType: api.ContentTypeJSON,
	})
	return err
}

// Leave makes the answering member leave the cluster for good, and stop. Make a Client with one endpoint for it.
func (c *Client) Leave(ctx context.Context, force bool) (api.Member, error) {
	return document[api.Member](ctx, c, &request{
		method: http.MethodPost, name: "/members/leave", target: withForce("/members/leave", force), once: true,
		bytesMax: documentBytesMax,
		body:     []byte("{}"), contentType: api.ContentTypeJSON,
	})
}

// Remove takes a member out of the cluster for good; with force also one that is alive.
func (c *Client) Remove(ctx context.Context, id node.ID, force bool) (api.Member, error) {
	target := "/members/" + id.String()
	return document[api.Member](ctx, c, &request{method: http.MethodDelete, name: target,
		target: withForce(target, force), bytesMax: documentBytesMax})
}

func withForce(target string, force bool) string {
	if force {
		target += "?force=true"
	}
	return target
}

// The questions to a node about itself are asked once, of the preferred endpoint: make a Client with one endpoint for
// them.

// Status returns the state of the node as it reports it.
func (c *Client) Status(ctx context.Context) (api.Status, error) {
	return document[api.Status](ctx, c, &request{method: http.MethodGet, name: "/status", target: "/status", once: true,
		bytesMax: documentBytesMax})
}

// Cluster returns what all members say of themselves, as one node has asked them, and what follows from it.
func (c *Client) Cluster(ctx context.Context) (api.Cluster, error) {
	return document[api.Cluster](ctx, c, &request{method: http.MethodGet, name: "/cluster", target: "/cluster",
		once: true, bytesMax: documentBytesMax})
}

// Mode returns the mode of the node.
func (c *Client) Mode(ctx context.Context) (api.Mode, error) {
	return document[api.Mode](ctx, c, &request{method: http.MethodGet, name: "/mode", target: "/mode", once: true,
		bytesMax: documentBytesMax})
}

// SetMode makes the node read-only, or ends that, and returns when this is on its disk.
func (c *Client) SetMode(ctx context.Context, mode node.Mode) (api.Mode, error) {
	body, err := json.Marshal(api.WantedMode{Mode: mode.String()})
	if err != nil {
		return api.Mode{}, err
	}
	return document[api.Mode](ctx, c, &request{
		method: http.MethodPut, name: "/mode", target: "/mode", once: true, bytesMax: documentBytesMax, body: body,
		contentType: api.ContentTypeJSON,
	})
}

// LogLevel returns the level of the node's log: debug, info, warn or error. Make a Client with one endpoint for it.
func (c *Client) LogLevel(ctx context.Context) (string, error) {
	l, err := document[api.LogLevel](ctx, c, &request{method: http.MethodGet, name: "/log-level", target: "/log-level",
		once: true, bytesMax: documentBytesMax})
	return l.Level, err
}

// SetLogLevel sets the level of the node's log until the node ends, or reads its configuration again.
func (c *Client) SetLogLevel(ctx context.Context, level string) error {
	body, err := json.Marshal(api.LogLevel{Level: level})
	if err != nil {
		return err
	}
	_, err = document[api.LogLevel](ctx, c, &request{method: http.MethodPut, name: "/log-level", target: "/log-level",
		once: true, bytesMax: documentBytesMax, body: body, contentType: api.ContentTypeJSON})
	return err
}

// Metrics returns the metrics of the node, in the text format of Prometheus.
func (c *Client) Metrics(ctx context.Context) ([]byte, error) { return c.text(ctx, "/metrics") }

// Profile takes a profile of the node's process, for `go tool pprof`: cpu, heap, allocs, goroutine, threadcreate, block
// or mutex. Seconds is how long the CPU is measured, 1 to 30; it has to fit into Options.AttemptTimeout.
func (c *Client) Profile(ctx context.Context, kind string, seconds int) ([]byte, error) {
	return c.text(ctx, fmt.Sprintf("/debug/profile?kind=%s&seconds=%d", url.QueryEscape(kind), seconds))
}

// Recording returns what the flight recorder of the node has kept of the last time, for `kvsim relive`. Keys and values
// are in it; with hashValues there are hashes in place of the values. That takes the node a while: for a long recording
// Options.AttemptTimeout has to be above its default.
func (c *Client) Recording(ctx context.Context, last time.Duration, hashValues bool) ([]byte, error) {
	target := "/debug/recording?last=" + url.QueryEscape(last.String())
	if hashValues {
		target += "&hash_values=true"
	}
	return c.text(ctx, target)
}

// text asks a node about itself, and returns the answer as it is.
func (c *Client) text(ctx context.Context, target string) ([]byte, error) {
	ans, err := c.do(ctx, &request{method: http.MethodGet, name: target, target: target, once: true,
		bytesMax: textBytesMax})
	if err != nil {
		return nil, err
	}
	return ans.body, nil
}

// textBytesMax bounds an answer about a node: a recording is the largest.
const textBytesMax = 4<<30 + 1<<20

// Keyring lists the keys with which the node seals and opens gossip. Make a Client with one endpoint for it, as for
// ChangeKeyring.
func (c *Client) Keyring(ctx context.Context) (api.Keyring, error) {
	return document[api.Keyring](ctx, c,
		&request{method: http.MethodGet, name: "/keyring", target: "/keyring", once: true, bytesMax: documentBytesMax})
}

// ChangeKeyring changes the keyring of the node.
func (c *Client) ChangeKeyring(ctx context.Context, change api.KeyringChange) (api.Keyring, error) {
	body, err := json.Marshal(change)
	if err != nil {
		return api.Keyring{}, err
	}
	return document[api.Keyring](ctx, c, &request{
		method: http.MethodPost, name: "/keyring", target: "/keyring", once: true, bytesMax: documentBytesMax,
		body:        body,
		contentType: api.ContentTypeJSON,
	})
}

// Tokens returns all tokens of the cluster.
func (c *Client) Tokens(ctx context.Context) (api.Tokens, error) {
	return document[api.Tokens](ctx, c,
		&request{method: http.MethodGet, name: "/tokens", target: "/tokens", bytesMax: documentBytesMax})
}

// CreateToken makes a token, or rules for the certificates of a client. The request is sent once: a repetition could
// make a second token.
func (c *Client) CreateToken(ctx context.Context, wanted api.WantedToken) (api.NewToken, error) {
	body, err := json.Marshal(wanted)
	if err != nil {
		return api.NewToken{}, err
	}
	return document[api.NewToken](ctx, c, &request{
		method: http.MethodPost, name: "/tokens", target: "/tokens", once: true, bytesMax: documentBytesMax, body: body,
		contentType: api.ContentTypeJSON,
	})
}

// RevokeToken makes a token invalid.
func (c *Client) RevokeToken(ctx context.Context, id string) error {
	target := "/tokens/" + url.PathEscape(id)
	_, err := c.do(ctx, &request{method: http.MethodDelete, name: target, target: target, write: true,
		bytesMax: documentBytesMax})
	return err
}

// Policy returns the cluster's policy about the levels of writes, as the answering member knows it.
func (c *Client) Policy(ctx context.Context) (api.Policy, error) {
	return document[api.Policy](ctx, c,
		&request{method: http.MethodGet, name: "/policy", target: "/policy", bytesMax: documentBytesMax})
}

// SetPolicy changes the cluster's policy, and returns when all reachable members apply it.
func (c *Client) SetPolicy(ctx context.Context, wanted api.WantedPolicy) (api.Policy, error) {
	body, err := json.Marshal(wanted)
	if err != nil {
		return api.Policy{}, err
	}
	return document[api.Policy](ctx, c, &request{
		method: http.MethodPut, name: "/policy", target: "/policy", write: true, bytesMax: documentBytesMax, body: body,
		contentType: api.ContentTypeJSON,
	})
}

// Live returns nil when the process works, also while it is starting.
func (c *Client) Live(ctx context.Context) error {
	_, err := c.Starting(ctx)
	return err
}

// Starting returns the progress of a node that starts; nil: it has started.
func (c *Client) Starting(ctx context.Context) (*api.Starting, error) {
	live, err := document[api.Live](ctx, c, &request{
		method: http.MethodGet, name: "/livez", target: "/livez", once: true, bytesMax: documentBytesMax,
	})
	return live.Starting, err
}

// Ready returns nil when the node serves clients; otherwise the error says why it does not.
func (c *Client) Ready(ctx context.Context) error {
	_, err := c.do(ctx, &request{method: http.MethodGet, name: "/readyz", target: "/readyz", once: true,
		bytesMax: documentBytesMax})
	return err
}

// Voters is the configuration in force as the member that answers knows it.
func (c *Client) Voters(ctx context.Context) (api.Voters, error) {
	return document[api.Voters](ctx, c,
		&request{method: http.MethodGet, name: "/voters/", target: "/voters/", bytesMax: documentBytesMax})
}

// Promote makes a member a voter, and Demote takes its vote away. Both return when the next change may follow.
func (c *Client) Promote(ctx context.Context, id node.ID) (api.Voters, error) {
	return c.changeVoters(ctx, http.MethodPut, id)
}

// Demote is described with Promote.
func (c *Client) Demote(ctx context.Context, id node.ID) (api.Voters, error) {
	return c.changeVoters(ctx, http.MethodDelete, id)
}

func (c *Client) changeVoters(ctx context.Context, method string, id node.ID) (api.Voters, error) {
	target := "/voters/" + id.String()
	return document[api.Voters](ctx, c,
		&request{method: method, name: target, target: target, write: true, bytesMax: documentBytesMax})
}
