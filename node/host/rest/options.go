package rest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"kvs/node"
	"kvs/node/api"
	"kvs/node/slot"
)

// Options of New. All are required but those with a default.
type Options struct {
	Core           Core
	Metrics        Metrics
	View           func() *node.View // the current one: it changes with the members.
	Log            *slog.Logger
	Name           string     // of the node, for the Kvs-Node header.
	Version        string     // of the program.
	DefaultLevel   node.Level // of requests that do not say.
	ValueBytesMax  int        // larger values: 413.
	FramesBytesMax int        // a peer's batch.
	StreamProtocol string     // the Upgrade header of a peer that wants a stream.
	RequestTimeout time.Duration
	MaxClockOffset time.Duration // by which clocks may differ.

	ReadTimeout  time.Duration // for a whole request to arrive. Default: 30 s.
	WriteTimeout time.Duration // for the client to take the whole answer. Default: 1 min.
	IdleTimeout  time.Duration // between requests of a connection. Default: 2 min.
	Connections  Bounds        // Default: DefaultBounds.

	// TLS is what connections are secured with; nil: they are not. PlainToo: those that begin otherwise are let in as well. Peer is who
	// proved to be at the other end of a connection that is secured; required with TLS.
	TLS      *tls.Config
	PlainToo bool
	Peer     func(*tls.ConnectionState) Peer

	// Limits at the edge. Default: DefaultLimits.
	Limits Limits

	// Audit receives each request that has been answered. Default: no audit.
	Audit func(Audited)

	// Access decides about credentials. Default: none are required.
	Access *Access

	// Keyring is what gossip is sealed with. Default: it is not.
	Keyring Keyring

	// Dial connects to another member, for reads that are passed on. Default: TCP, not secured.
	Dial func(ctx context.Context, addr string) (net.Conn, error)

	// Starting says how far a node has come that has not started yet; nil: it has. Until then nothing else here is asked.
	// Default: it has started.
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
	case o.Limits != (Limits{}) && (o.Limits.ConnectionsPerAddress < 0 || o.Limits.RequestsPerSecond < 0 || o.Limits.BodyBytesMax < 1 || o.Limits.HeaderBytesMax < headerBytesMin):
		return errors.New("rest: a limit makes no sense")
	case o.Connections != (Bounds{}) && (o.Connections.Clients < 1 || o.Connections.Members < 0 || o.Connections.Spares < 0):
		return errors.New("rest: at least one connection must be allowed, and no bound be below zero")
	}
	return nil
}
