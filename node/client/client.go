package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

// Options of New. Start from DefaultOptions.
type Options struct {
	// Endpoints are members of the cluster: "host:port", "http://host:port" or "https://host:port". The first that
	// answers is used until it fails. Without a scheme it is https if TLS is set, and http otherwise.
	Endpoints []string

	// TLS has the authorities to trust, and the certificate to show; nil: the system's authorities, and none. It is
	// cloned.
	TLS *tls.Config

	// Token is shown with each request, over https alone unless TokenInClear; empty: none.
	Token        string
	TokenInClear bool

	// Dial makes connections to a host:port that are secured already, for endpoints that are http. Default: TCP.
	Dial func(ctx context.Context, addr string) (net.Conn, error)

	// RetryUnknown repeats a write whose outcome is unknown. See the package comment for what that may cost.
	RetryUnknown bool

	AttemptsMax    int           // of one operation, over all endpoints.
	AttemptTimeout time.Duration // of one attempt, from dialling to the last byte of the answer.
	DialTimeout    time.Duration // of one connection attempt.
	RetryDelayMin  time.Duration // pause after all endpoints have failed once; doubled with each further round,
	// up to this, also when an answer asks for more with Retry-After. Up to half of it is left to chance.
	RetryDelayMax time.Duration
	ConnsMax      int // kept open per endpoint while idle.
}

// DefaultOptions fit a person or a program that would rather wait a few seconds than fail.
func DefaultOptions(endpoints ...string) Options {
	return Options{
		Endpoints:   endpoints,
		AttemptsMax: 6,
		// longer than a node's default limit: the node's own "timeout" answer says more than no answer.
		AttemptTimeout: 12 * time.Second,
		DialTimeout:    2 * time.Second,
		RetryDelayMin:  100 * time.Millisecond,
		RetryDelayMax:  2 * time.Second,
		ConnsMax:       64,
	}
}

// Bounds of what a Client accepts.
const (
	endpointsMax     = 256
	documentBytesMax = 64 << 20 // of a JSON answer: a listing of 10,000 long paths fits.
)

// Client is a door to one cluster. It is safe for concurrent use.
type Client struct {
	opts      Options
	endpoints []string // base URLs without a slash at the end.
	http      *http.Client
	preferred atomic.Int64 // index of the endpoint that answered last.
	clockOff  atomic.Bool  // a member's clock differs from ours by more than may be: no deadlines are sent.
}

// New returns a client. It makes no connection yet.
func New(o Options) (*Client, error) {
	switch {
	case len(o.Endpoints) == 0 || len(o.Endpoints) > endpointsMax:
		return nil, fmt.Errorf("client: %d endpoints, want 1 to %d", len(o.Endpoints), endpointsMax)
	case o.AttemptsMax < 1 || o.ConnsMax < 1:
		return nil, errors.New("client: at least one attempt and one connection must be allowed")
	case o.AttemptTimeout <= 0 || o.DialTimeout <= 0:
		return nil, errors.New("client: timeouts must be above zero")
	case o.RetryDelayMin <= 0 || o.RetryDelayMax < o.RetryDelayMin:
		return nil, errors.New("client: retry delays must be above zero, the second not below the first")
	}
	c := &Client{opts: o}
	for _, e := range o.Endpoints {
		base, err := parseEndpoint(e, o.TLS != nil)
		if err != nil {
			return nil, fmt.Errorf("client: %w", err)
		}
		if o.Token != "" && !o.TokenInClear && !strings.HasPrefix(base, "https://") {
			return nil, fmt.Errorf("client: the token would be sent unencrypted to %s: use https, or allow it", base)
		}
		c.endpoints = append(c.endpoints, base)
	}
	c.http = &http.Client{
		// No proxy: members are reached directly. No redirects: no route of the API answers with one.
		Transport: &http.Transport{
			DialContext:            c.dial,
			DialTLSContext:         c.dialTLS,
			MaxIdleConnsPerHost:    o.ConnsMax,
			IdleConnTimeout:        20 * time.Second, // less than the server's.
			DisableCompression:     true,
			MaxResponseHeaderBytes: 64 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return c, nil
}

// dial makes a connection of endpoints that are http.
func (c *Client) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, c.opts.DialTimeout)
	defer cancel()
	if c.opts.Dial != nil {
		conn, err := c.opts.Dial(ctx, addr)
		return conn, asDial(err)
	}
	return (&net.Dialer{}).DialContext(ctx, network, addr)
}

// dialTLS makes a connection of endpoints that are https. An error before the connection is secured is an error of
// dialling: no part of a request has been sent.
func (c *Client) dialTLS(ctx context.Context, network, addr string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, c.opts.DialTimeout)
	defer cancel()
	d := tls.Dialer{Config: c.opts.TLS.Clone()}
	conn, err := d.DialContext(ctx, network, addr)
	return conn, asDial(err)
}

// asDial marks an error as one that came before anything was sent.
func asDial(err error) error {
	var op *net.OpError
	if err == nil || errors.As(err, &op) && op.Op == "dial" {
		return err
	}
	return &net.OpError{Op: "dial", Net: "tcp", Err: err}
}

// Close closes idle connections. Operations in flight are not affected.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// parseEndpoint returns the base URL of an endpoint.
func parseEndpoint(e string, secure bool) (string, error) {
	bad := func(why string) (string, error) {
		return "", fmt.Errorf("endpoint %q: %s: want host:port, such as 127.0.0.1:7001", e, why)
	}
	text := e
	if !strings.Contains(text, "://") {
		text = "http://" + text
		if secure {
			text = "https" + text[len("http"):]
		}
	}
	u, err := url.Parse(text)
	if err != nil {
		return bad("not a URL")
	}
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return bad("scheme " + u.Scheme + " is not supported")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "" || (u.Path != "" && u.Path != "/"):
		return bad("more than host and port")
	}
	host, port, err := net.SplitHostPort(u.Host)
	if err != nil || host == "" || port == "" {
		return bad("host or port is missing")
	}
	return u.Scheme + "://" + u.Host, nil
}
