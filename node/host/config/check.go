package config

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"kvs/node"
	"kvs/node/host/access"
	"kvs/node/slot"
)

// Check returns what is wrong with a resolved configuration; nil when it is valid. Each error in the joined one is a
// *Problem.
func (c *Config) Check() error {
	p := parser{file: c.File}
	p.check(c)
	return errors.Join(p.problems...)
}

// check adds what is wrong with c to the problems, with the line where the file sets it.
func (p *parser) check(c *Config) {
	bad := func(key string, err error, with ...string) { // with: the other keys in the comparison.
		if err != nil && !p.unread[key] && !slices.ContainsFunc(with,
			func(other string) bool { return p.unread[other] }) {
			p.say(p.lines[key], key, "%s", err)
		}
	}
	bad("name", errors.Join(checkName(c.Name), checkFolder(c.Name)))
	bad("cluster", checkName(c.Cluster))
	p.checkAddresses(c, bad)
	if c.DefaultConsistency < node.Eventual || c.DefaultConsistency > node.Linearizable {
		bad("default_consistency", errors.New("use eventual, quorum or linearizable"))
	}
	_, err := node.CheckStrongPrefixes(c.StrongPrefixes)
	bad("strong_prefixes", err)
	bad("max_clock_offset", between(c.MaxClockOffset, 10*time.Millisecond, 24*time.Hour))
	bad("value_bytes_max", between(c.ValueBytesMax, 1, slot.ValueBytesHardMax))
	bad("expected_members", between(c.ExpectedMembers, 0, 1024))
	bad("requests_max", between(c.RequestsMax, 1, 1<<20))
	bad("request_timeout", between(c.RequestTimeout, time.Millisecond, time.Hour))
	bad("shutdown_timeout", between(c.ShutdownTimeout, time.Millisecond, time.Hour))
	p.checkTLS(&c.TLS, bad)
	p.checkAuth(c, bad)
	bad("audit.what", oneOf(c.Audit.What, AuditAdmin, AuditAll))
	bad("limits.connections_per_address", between(c.Limits.ConnectionsPerAddress, 0, 1<<20))
	bad("limits.requests_per_second", between(c.Limits.RequestsPerSecond, 0, 1<<20))
	bad("limits.body_bytes_max", between(c.Limits.BodyBytesMax, slot.ValueBytesHardMax, 1<<40))
	bad("limits.header_bytes_max", between(c.Limits.HeaderBytesMax, 4<<10, 1<<20))
	bad("limits.watchers", between(c.Limits.Watchers, 0, 1<<20))
	bad("limits.changes_max", between(c.Limits.ChangesMax, 1, 1<<20))
	bad("limits.changes_bytes_max", between(c.Limits.ChangesBytesMax, 64<<10, 1<<30))
	bad("limits.read_timeout", between(c.Limits.ReadTimeout, 10*time.Millisecond, time.Hour))
	bad("limits.idle_timeout", between(c.Limits.IdleTimeout, 10*time.Millisecond, 24*time.Hour))
	bad("cors_origins", checkOrigins(c.CORSOrigins))
	if c.AdminListen != "" {
		_, err := checkAddress(c.AdminListen)
		bad("admin_listen", err)
	}
	bad("listen", c.checkOpen())
	bad("log.level", oneOf(c.Log.Level, "debug", "info", "warn", "error"))
	bad("log.format", oneOf(c.Log.Format, "text", "json"))
	bad("log.bytes_max", between(c.Log.BytesMax, 64<<10, 1<<30))
	bad("log.files_max", between(c.Log.FilesMax, 1, 1000))

	bad("disk.low_watermark", between(c.Disk.LowWatermark, 32<<20, 1<<50))
	if c.Disk.HighWatermark <= c.Disk.LowWatermark {
		bad("disk.high_watermark", fmt.Errorf("%v must be larger than low_watermark, %v", c.Disk.HighWatermark,
			c.Disk.LowWatermark), "disk.low_watermark")
	}
	bad("disk.check_interval", between(c.Disk.CheckInterval, 10*time.Millisecond, time.Minute))
	bad("disk.memtable_bytes", between(c.Disk.MemtableBytes, 8<<20, 1<<30))

	if c.Recorder.RingBytesMax != 0 {
		bad("recorder.ring_bytes_max", between(c.Recorder.RingBytesMax, 16<<20, 4<<30))
	}
	c.checkGossip(bad)
	bad("replication.queue_bytes_max", between(c.Replication.QueueBytesMax, 17<<20, 1<<40))
	bad("replication.hint_ttl", between(c.Replication.HintTTL, time.Second, 30*24*time.Hour))
	bad("replication.batch_bytes_max", between(c.Replication.BatchBytesMax, 1, slot.ValueBytesHardMax))
	bad("replication.ack_timeout", between(c.Replication.AckTimeout, time.Millisecond, time.Hour))
	if c.Replication.RetryDelayMax < c.Replication.AckTimeout {
		bad("replication.retry_delay_max", fmt.Errorf("%v must not be less than ack_timeout, %v",
			c.Replication.RetryDelayMax, c.Replication.AckTimeout), "replication.ack_timeout")
	}
	bad("replication.bootstrap_rate", between(c.Replication.BootstrapRate, 1<<10, 1<<40))
	bad("replication.bootstrap_wait", between(c.Replication.BootstrapWait, 0, 24*time.Hour))
	bad("replication.tombstone_grace", between(c.Replication.TombstoneGrace, time.Minute, 365*24*time.Hour))
	bad("replication.sync_interval", between(c.Replication.SyncInterval, 10*time.Millisecond, 24*time.Hour))
}

func (c *Config) checkGossip(bad func(key string, err error, with ...string)) {
	bad("gossip.probe_interval", between(c.Gossip.ProbeInterval, 10*time.Millisecond, time.Hour))
	bad("gossip.probe_timeout", between(c.Gossip.ProbeTimeout, time.Millisecond, time.Hour))
	if c.Gossip.ProbeTimeout >= c.Gossip.ProbeInterval {
		bad("gossip.probe_timeout", fmt.Errorf("%v must be less than probe_interval, %v", c.Gossip.ProbeTimeout,
			c.Gossip.ProbeInterval), "gossip.probe_interval")
	}
	bad("gossip.indirect_probes", between(c.Gossip.IndirectProbes, 0, 16))
	bad("gossip.suspicion_mult", between(c.Gossip.SuspicionMult, 1, 100))
	bad("gossip.suspicion_max_mult", between(c.Gossip.SuspicionMaxMult, 1, 100))
	bad("gossip.push_pull_interval", between(c.Gossip.PushPullInterval, 10*time.Millisecond, time.Hour))
	bad("gossip.dead_dial_interval", between(c.Gossip.DeadDialInterval, 10*time.Millisecond, time.Hour))
}

// checkOpen refuses a node that is open to the network and requires no credentials.
func (c *Config) checkOpen() error {
	host, _, err := net.SplitHostPort(c.Listen)
	if err != nil || c.Insecure || c.TLS.On() && c.Gossip.Keyring != "" && c.Auth.Mode == AuthRequired ||
		isLoopback(host) {
		return nil
	}
	return fmt.Errorf("%s is open to the network, and without tls, gossip.keyring and auth.mode: required every "+
		"machine that reaches it can read, write and end the cluster: make what they need with kvs init --secure, "+
		"or kvs cert issue and kvs keyring create, and set them (docs/security.md), "+
		"or set insecure: true if this network is closed to all others", c.Listen)
}

// isLoopback reports whether only this machine reaches host. A name may resolve to any address, except localhost.
func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (p *parser) checkAuth(c *Config, bad func(key string, err error, with ...string)) {
	bad("auth.mode", oneOf(c.Auth.Mode, AuthOff, AuthRequired))
	if c.Auth.Mode == AuthRequired && (!c.TLS.On() || c.TLS.Mode != TLSRequired) {
		bad("auth.mode", errors.New("tokens would travel unencrypted: set tls first, with mode: required"), "tls.mode")
	}
	if c.Auth.AdminHash != "" {
		_, err := access.ParseHash(c.Auth.AdminHash)
		bad("auth.admin_hash", err)
	}
}

func (p *parser) checkTLS(t *TLS, bad func(key string, err error, with ...string)) {
	bad("tls.mode", oneOf(t.Mode, TLSRequired, TLSOptional))
	bad("tls.min_version", oneOf(t.MinVersion, TLS12, TLS13))
	if t.Cert == "" && t.Key == "" && t.CA == "" {
		return
	}
	for _, f := range []struct{ key, path string }{{"tls.cert", t.Cert}, {"tls.key", t.Key}, {"tls.ca", t.CA}} {
		if f.path == "" {
			bad(f.key, errors.New("missing: cert, key and ca belong together; set all three, or none"))
		}
	}
}

func (p *parser) checkAddresses(c *Config, bad func(key string, err error, with ...string)) {
	host, err := checkAddress(c.Listen)
	bad("listen", err)
	wildcard := err == nil && isWildcard(host)
	if wildcard && c.Advertise == c.Listen {
		bad("advertise",
			fmt.Errorf("missing: listen is %s, every address of this machine, and the others need one of them; set "+
				"advertise to the host:port at which they reach this node", c.Listen), "listen")
	} else {
		host, err = checkAddress(c.Advertise)
		if err == nil && isWildcard(host) {
			err = fmt.Errorf("%q is every address at once; give the one at which the other members reach this node",
				c.Advertise)
		}
		if c.Advertise != c.Listen || p.lines["advertise"] > 0 {
			bad("advertise", err)
		}
	}
	if len(c.Seeds) > seedsMax {
		bad("seeds", fmt.Errorf("%d of them, want at most %d; a few are enough, the others are learned from them",
			len(c.Seeds), seedsMax))
	}
	for _, s := range c.Seeds {
		host, err := checkAddress(s)
		if err == nil && isWildcard(host) {
			err = fmt.Errorf("%q is every address at once; give a member's own", s)
		}
		bad("seeds", err)
	}
}

// seedsMax is how many seeds node/swim remembers.
const seedsMax = 64

func isWildcard(host string) bool {
	ip := net.ParseIP(host)
	return host == "" || ip != nil && ip.IsUnspecified()
}

// hostBytesMax is a little less than DNS allows, so that with a port it fits into a member table.
const hostBytesMax = 240

// checkAddress checks that s is host:port with a port that can be dialled, and returns the host.
func checkAddress(s string) (host string, err error) {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return "", fmt.Errorf("%q is not an address; write host:port, such as 127.0.0.1:7001", s)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return "", fmt.Errorf("%q has no usable port; write host:port with a port from 1 to 65535", s)
	}
	forbidden := func(r rune) bool { return r <= ' ' || r == '/' || r == 0x7f }
	if len(host) > hostBytesMax || strings.ContainsFunc(host, forbidden) {
		return "", fmt.Errorf("%q is not an address; write host:port, such as 127.0.0.1:7001", s)
	}
	return host, nil
}

func checkName(s string) error {
	switch {
	case s == "" || len(s) > slot.SegmentBytesMax:
		return fmt.Errorf("%d bytes, want 1 to %d", len(s), slot.SegmentBytesMax)
	case !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return fmt.Errorf("%q holds a control character or is not UTF-8", s)
	}
	return nil
}

// checkFolder checks that a node's name can be a folder's: its data is in data/NAME unless data_dir is set.
func checkFolder(name string) error {
	if name == "." || name == ".." || strings.ContainsRune(name, '/') {
		return fmt.Errorf("%q cannot be the name of a folder, and the data is in a folder of that name: use a name "+
			"without "+
			"slashes, such as node1", name)
	}
	return nil
}

// between checks that low <= v <= high; its error prints the values as the file spells them.
func between[T interface{ ~int | ~int64 }](v, low, high T) error {
	if v >= low && v <= high {
		return nil
	}
	return fmt.Errorf("%s is out of range, want %s to %s", spell(v), spell(low), spell(high))
}

func spell(v any) string {
	if d, ok := v.(time.Duration); ok {
		return formatDuration(d)
	}
	return fmt.Sprint(v)
}

func oneOf(s string, words ...string) error {
	for _, w := range words {
		if s == w {
			return nil
		}
	}
	meant := ""
	if near := Nearest(s, words); near != "" {
		meant = fmt.Sprintf("; did you mean %s?", near)
	}
	return fmt.Errorf("%q is none of %s%s", s, strings.Join(words, ", "), meant)
}
