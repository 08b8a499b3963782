package host

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"kvs/node/host/certs"
	"kvs/node/host/config"
	"kvs/node/host/rest"
	"kvs/node/host/seal"
)

// certsInterval is how often the certificate files are checked: changes are found without a signal.
const certsInterval = 5 * time.Second

// loadCredentials reads the node's credentials: certificates and keys, if the configuration names any.
func (h *Host) loadCredentials() error {
	if path := h.cfg.Gossip.Keyring; path != "" {
		keys, err := seal.OpenKeyring(path)
		if err != nil {
			return fmt.Errorf("%s: gossip.keyring: %w", h.cfg.File, err)
		}
		if h.sealer, err = seal.NewSealer(keys, h.cfg.Cluster); err != nil {
			return err
		}
	}
	t := &h.cfg.TLS
	if !t.On() {
		return nil
	}
	o := certs.Options{
		Cert: t.Cert, Key: t.Key, CA: t.CA, Cluster: h.cfg.Cluster, Name: h.cfg.Name, Logger: h.logger,
		Optional: t.Mode == config.TLSOptional, MinVersion: tls.VersionTLS13, Changed: h.distrust,
	}
	if t.MinVersion == config.TLS12 {
		o.MinVersion = tls.VersionTLS12
	}
	var err error
	if h.certs, err = certs.Load(o); err != nil {
		return fmt.Errorf("%s: tls: %w", h.cfg.File, err)
	}
	return nil
}

// Reload reads the files again that can change while the node runs: certificates, keys. After an error the former ones
// stay in use.
func (h *Host) Reload() error {
	var errs []error
	if h.certs != nil {
		_, err := h.certs.Reload()
		errs = append(errs, err)
	}
	if h.sealer != nil {
		_, err := h.sealer.Keys().Reload()
		errs = append(errs, err)
	}
	if h.audit != nil {
		errs = append(errs, h.audit.file.Reopen())
	}
	return errors.Join(errs...)
}

// dialMember connects to the member at addr, secured as the configuration says.
func (h *Host) dialMember(ctx context.Context, addr string) (net.Conn, error) {
	dial := func(ctx context.Context) (net.Conn, error) { return (&net.Dialer{}).DialContext(ctx, "tcp", addr) }
	if h.certs == nil {
		return dial(ctx)
	}
	return h.certs.Dial(ctx, addr, dial)
}

// peer is the proved identity of the other end of a connection.
func (h *Host) peer(cs *tls.ConnectionState) rest.Peer {
	id, ok := h.certs.Peer(cs)
	if !ok {
		return rest.Peer{}
	}
	return rest.Peer{Name: id.Name, Member: id.Role == certs.Member, Admin: id.Role == certs.Admin,
		Client: id.Role == certs.Client}
}

// expiryWarning is how long before the end of a certificate warnings begin.
const expiryWarning = 30 * 24 * time.Hour

// certWarnings warn that the certificate ends soon.
func (h *Host) certWarnings() []string {
	if h.certs == nil {
		return nil
	}
	end := h.certs.Expires()
	left := end.Sub(time.UnixMilli(h.clock.Wall()))
	date := end.UTC().Format(time.DateOnly)
	const advice = "make another one (kvs cert issue), and put it into the same files; the node takes it over " +
		"while it runs"
	switch {
	case left <= 0:
		return []string{fmt.Sprintf("the certificate or its authority ended on %s, and no new connections are made: %s",
			date, advice)}
	case left < expiryWarning:
		return []string{fmt.Sprintf("the certificate or its authority ends on %s, in %d days: %s", date,
			int(left.Hours())/24, advice)}
	}
	return nil
}

// certExpires is when the certificate ends; zero without TLS.
func (h *Host) certExpires() time.Time {
	if h.certs == nil {
		return time.Time{}
	}
	return h.certs.Expires()
}

// distrust closes the connections whose certificates would be refused now: the authority of a certificate may have been
// taken out since, or a certificate may have expired while its connection is open.
func (h *Host) distrust() {
	if n := h.server.Distrust(h.certs.TrustsClient); n > 0 {
		h.logger.Info("connections were closed: their certificates are no longer trusted", "connections", n)
	}
	h.frames.Distrust(func(c net.Conn) bool {
		secure, ok := c.(*tls.Conn)
		if !ok {
			return true
		}
		state := secure.ConnectionState()
		return h.certs.TrustsServer(&state)
	})
}

// distrustInterval is how often connections are checked for expired certificates.
const distrustInterval = time.Minute

// watchTrust closes connections with expired certificates, until ctx ends.
func (h *Host) watchTrust(ctx context.Context) {
	if h.certs == nil {
		return
	}
	tick := time.NewTicker(distrustInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			h.distrust()
		case <-ctx.Done():
			return
		}
	}
}

// watchCerts loads certificates that have changed, until ctx ends.
func (h *Host) watchCerts(ctx context.Context) {
	if h.certs == nil {
		return
	}
	h.certs.Watch(ctx, certsInterval)
}
