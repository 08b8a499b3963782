package rest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"time"

	"kvs/node"
	"kvs/node/api"
	"kvs/node/host/connections"
	"kvs/node/host/watching"
	"kvs/node/slot"
)

// Options of New. All are required, except those with a default.
type Options struct {
	Core           Core
	Metrics        Metrics
	View           func() *node.View // the current one: it changes with the members.
	Log            *slog.Logger
	LogLevel       *slog.LevelVar // of Log, which administrators may change. Default: they may not.
	Name           string         // of the node, for the Kvs-Node header.
	Version        string         // of the program.
	DefaultLevel   node.Level     // of requests without a level.
	ValueBytesMax  int            // larger values: 413.
	FramesBytesMax int            // a peer's batch.
	StreamProtocol string         // the Upgrade header of a peer that wants a stream.
	RequestTimeout time.Duration
	MaxClockOffset time.Duration // by which clocks may differ.

	ReadTimeout  time.Duration      // for a whole request to arrive. Default: 30 s.
	WriteTimeout time.Duration      // for the client to take the whole answer. Default: 1 min.
	IdleTimeout  time.Duration      // between requests of a connection. Default: 2 min.
	Connections  connections.Bounds // Default: connections.DefaultBounds.

	// TLS secures connections; nil: they are not secured. PlainToo: plain connections are accepted as well. Peer
	// returns the proved identity of the other end of a secured connection; required with TLS.
	TLS      *tls.Config
	PlainToo bool
	Peer     func(*tls.ConnectionState) Peer

	// Watchers are the clients that watch. Default: none may.
	Watchers *watching.Watchers

	// Recording is what the node has recorded of the last time, if hashed with hashes in place of values, and its
	// length: see recordings.Options. Default: it records nothing.
	Recording func(ctx context.Context, last time.Duration, hashed bool) (io.ReadCloser, int64, error)

	// Limits at the edge. Default: DefaultLimits.
	Limits Limits

	// Audit receives each request that has been answered. Default: no audit.
	Audit func(Audited)

	// Access has the credentials. Default: none are required.
	Access *Access

	// Keyring is the keyring of gossip. Default: gossip is not sealed.
	Keyring Keyring

	// CORSOrigins are the origins whose scripts may use the API in browsers, "*" for all. Default: none.
	CORSOrigins []string

	// Console: the web console is served. Default: it is not.
	Console bool

	// Dial connects to another member, for reads that are passed on. Default: TCP, not secured.
	Dial func(ctx context.Context, addr string) (net.Conn, error)

	// Starting is the progress of a node that has not started yet; nil: it has started. Until then the other functions
	// here are not called. Default: it has started.
	Starting func() *api.Starting
}

func (o *Options) check() error {
	switch {
	case o.Core == nil || o.Metrics == nil || o.View == nil || o.Log == nil:
		return errors.New("rest: core, metrics, view and log are required")
	case o.DefaultLevel == node.DefaultLevel || o.RequestTimeout <= 0:
		return errors.New("rest: default level and request timeout are required")
	case o.ValueBytesMax < 1 || o.ValueBytesMax > slot.ValueBytesHardMax:
		return fmt.Errorf("rest: values of at most %d bytes, want 1 to %d", o.ValueBytesMax, slot.ValueBytesHardMax)
	case o.FramesBytesMax < node.FrameBytesMax:
		return fmt.Errorf("rest: batches of %d bytes cannot hold a frame of %d", o.FramesBytesMax, node.FrameBytesMax)
	case o.StreamProtocol == "":
		return errors.New("rest: the protocol of streams has no name")
	case o.ReadTimeout < 0 || o.WriteTimeout < 0 || o.IdleTimeout < 0 || o.MaxClockOffset < 0:
		return errors.New("rest: timeouts must not be below zero")
	case o.TLS != nil && o.Peer == nil:
		return errors.New("rest: with TLS a function that identifies peers is required")
	case o.Limits != (Limits{}) && (o.Limits.ConnectionsPerAddress < 0 || o.Limits.RequestsPerSecond < 0 ||
		o.Limits.BodyBytesMax < 1 || o.Limits.HeaderBytesMax < headerBytesMin):
		return errors.New("rest: a limit makes no sense")
	case o.Connections != (connections.Bounds{}) && (o.Connections.Clients < 1 || o.Connections.Members < 0 ||
		o.Connections.Spares < 0):
		return errors.New("rest: at least one connection must be allowed, and no bound be below zero")
	}
	return nil
}
