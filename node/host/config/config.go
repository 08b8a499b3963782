// Package config is the YAML file of a node: its keys, their defaults, and the checks of their values.
//
// It reads and writes that one file, replaces ${NAME} in a value by a variable of the environment, and takes each key
// that a variable sets (KVS_LISTEN for listen) from there. It does not apply settings (node/host does), and does not
// read flags.
//
// Begin with Config and Load. keys.go holds the description of every key, parse.go reads a file, write.go writes one
// with the descriptions as comments, check.go checks the values, and values.go has the spelling of sizes and durations.
package config

import (
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"kvs/node"
	"kvs/node/slot"
	"kvs/node/swim"
)

// Config has the settings of a node. The yaml tag is the key in the file; a struct is a section.
type Config struct {
	// File is the absolute path of the file this came from. Relative paths are relative to its folder.
	File string `yaml:"-"`

	Name               string        `yaml:"name"`
	Cluster            string        `yaml:"cluster"`
	Listen             string        `yaml:"listen"`
	Advertise          string        `yaml:"advertise"`
	DataDir            string        `yaml:"data_dir"`
	Seeds              []string      `yaml:"seeds"`
	ExpectedMembers    int           `yaml:"expected_members"`
	DefaultConsistency node.Level    `yaml:"default_consistency"`
	StrongPrefixes     []string      `yaml:"strong_prefixes"`
	ReadOnly           bool          `yaml:"read_only"`
	MaxClockOffset     time.Duration `yaml:"max_clock_offset"`
	ValueBytesMax      Size          `yaml:"value_bytes_max"`
	RequestsMax        int           `yaml:"requests_max"`
	RequestTimeout     time.Duration `yaml:"request_timeout"`
	ShutdownTimeout    time.Duration `yaml:"shutdown_timeout"`
	TestClockFile      string        `yaml:"test_clock_file"`
	Insecure           bool          `yaml:"insecure"`
	TLS                TLS           `yaml:"tls"`
	Auth               Auth          `yaml:"auth"`
	AdminListen        string        `yaml:"admin_listen"`
	CORSOrigins        []string      `yaml:"cors_origins"`
	Console            bool          `yaml:"console"`
	Limits             Limits        `yaml:"limits"`
	Audit              Audit         `yaml:"audit"`
	Log                Log           `yaml:"log"`
	Disk               Disk          `yaml:"disk"`
	Recorder           Recorder      `yaml:"recorder"`
	Gossip             Gossip        `yaml:"gossip"`
	Replication        Replication   `yaml:"replication"`
	Linearizable       Linearizable  `yaml:"linearizable"`
}

// TLS has the credentials of a node. Without cert, key and ca connections are not encrypted.
type TLS struct {
	Cert       string `yaml:"cert"`
	Key        string `yaml:"key"`
	CA         string `yaml:"ca"`
	Mode       string `yaml:"mode"`
	MinVersion string `yaml:"min_version"`
}

// Auth says whether requests need credentials.
type Auth struct {
	Mode      string `yaml:"mode"`
	AdminHash string `yaml:"admin_hash"`
}

// Limits bound the use by clients.
type Limits struct {
	ConnectionsPerAddress int           `yaml:"connections_per_address"`
	RequestsPerSecond     int           `yaml:"requests_per_second"`
	BodyBytesMax          Size          `yaml:"body_bytes_max"`
	HeaderBytesMax        Size          `yaml:"header_bytes_max"`
	Watchers              int           `yaml:"watchers"`
	ChangesMax            int           `yaml:"changes_max"`
	ChangesBytesMax       Size          `yaml:"changes_bytes_max"`
	ReadTimeout           time.Duration `yaml:"read_timeout"`
	IdleTimeout           time.Duration `yaml:"idle_timeout"`
}

// Audit says which requests are recorded, and where.
type Audit struct {
	File string `yaml:"file"`
	What string `yaml:"what"`
}

// The values of Audit.What.
const (
	AuditAdmin = "admin"
	AuditAll   = "all"
)

// The values of Auth.Mode.
const (
	AuthOff      = "off"
	AuthRequired = "required"
)

// The values of TLS.Mode and TLS.MinVersion.
const (
	TLSRequired = "required"
	TLSOptional = "optional"
	TLS12       = "1.2"
	TLS13       = "1.3"
)

// On says whether the node speaks TLS.
func (t *TLS) On() bool { return t.Cert != "" }

// Log says what is logged and how.
type Log struct {
	Level    string `yaml:"level"`
	Format   string `yaml:"format"`
	BytesMax Size   `yaml:"bytes_max"`
	FilesMax int    `yaml:"files_max"`
}

// Disk says when the data folder's file system counts as full, and how much memory the store takes.
type Disk struct {
	LowWatermark  Size          `yaml:"low_watermark"`
	HighWatermark Size          `yaml:"high_watermark"`
	CheckInterval time.Duration `yaml:"check_interval"`
	MemtableBytes Size          `yaml:"memtable_bytes"`
}

// Recorder says whether the node records what its core is given.
type Recorder struct {
	RingBytesMax Size `yaml:"ring_bytes_max"`
}

// Gossip sets the failure detector. The fields are those of swim.Config.
type Gossip struct {
	ProbeInterval  time.Duration `yaml:"probe_interval"`
	ProbeTimeout   time.Duration `yaml:"probe_timeout"`
	IndirectProbes int           `yaml:"indirect_probes"`

	SuspicionMult    int           `yaml:"suspicion_mult"`
	SuspicionMaxMult int           `yaml:"suspicion_max_mult"`
	PushPullInterval time.Duration `yaml:"push_pull_interval"`
	DeadDialInterval time.Duration `yaml:"dead_dial_interval"`

	Keyring string `yaml:"keyring"`
}

// Replication sets how records travel between members. The fields are those of node.Tuning.
type Replication struct {
	QueueBytesMax  Size          `yaml:"queue_bytes_max"`
	HintTTL        time.Duration `yaml:"hint_ttl"`
	BatchBytesMax  Size          `yaml:"batch_bytes_max"`
	AckTimeout     time.Duration `yaml:"ack_timeout"`
	RetryDelayMax  time.Duration `yaml:"retry_delay_max"`
	SyncInterval   time.Duration `yaml:"sync_interval"`
	BootstrapRate  Size          `yaml:"bootstrap_rate"`
	BootstrapWait  time.Duration `yaml:"bootstrap_wait"`
	TombstoneGrace time.Duration `yaml:"tombstone_grace"`
}

// Linearizable sets how operations at the linearizable level are run.
type Linearizable struct {
	Forward bool `yaml:"forward"`
}

// Default returns the configuration of an empty file, before Resolve.
func Default() Config {
	gossip, tuning := swim.DefaultConfig(), node.DefaultTuning()
	return Config{
		Cluster:            "kvs",
		Listen:             "127.0.0.1:7001",
		DefaultConsistency: node.Eventual,
		MaxClockOffset:     tuning.MaxClockOffset,
		ValueBytesMax:      slot.ValueBytesDefault,
		RequestsMax:        4096,
		RequestTimeout:     10 * time.Second,
		ShutdownTimeout:    10 * time.Second,
		TLS:                TLS{Mode: TLSRequired, MinVersion: TLS13},
		Auth:               Auth{Mode: AuthOff},
		Console:            true,
		Limits: Limits{
			ConnectionsPerAddress: 1024, BodyBytesMax: 64 << 20, HeaderBytesMax: 16 << 10,
			Watchers: 10000, ChangesMax: tuning.ChangesMax, ChangesBytesMax: Size(tuning.ChangesBytesMax),
			ReadTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute,
		},
		Audit: Audit{What: AuditAdmin},
		Log:   Log{Level: "info", Format: "text", BytesMax: 8 << 20, FilesMax: 4},
		Disk: Disk{
			LowWatermark: 128 << 20, HighWatermark: 192 << 20, CheckInterval: time.Second, MemtableBytes: 8 << 20,
		},
		Gossip: Gossip{
			ProbeInterval: gossip.ProbeInterval, ProbeTimeout: gossip.ProbeTimeout,
			IndirectProbes: gossip.IndirectProbes,
			SuspicionMult:  gossip.SuspicionMult, SuspicionMaxMult: gossip.SuspicionMaxMult,
			PushPullInterval: gossip.PushPullInterval, DeadDialInterval: gossip.DeadDialInterval,
		},
		Replication: Replication{
			QueueBytesMax: Size(tuning.QueueBytesMax), HintTTL: tuning.HintTTL,
			BatchBytesMax: Size(tuning.BatchBytesMax), AckTimeout: tuning.AckTimeout,
			RetryDelayMax: tuning.RetryDelayMax, SyncInterval: tuning.SyncInterval,
			BootstrapRate: Size(tuning.BootstrapRate), BootstrapWait: tuning.BootstrapWait,
			TombstoneGrace: tuning.TombstoneGrace,
		},
		Linearizable: Linearizable{Forward: tuning.Forwards},
	}
}

// Resolve fills in unset keys from others: the name from the file's, the advertised address from the listening one, the
// data folder from the name. Afterwards all paths are absolute.
func (c *Config) Resolve(file string) {
	c.File = file
	if c.Name == "" {
		base := filepath.Base(file)
		if ext := filepath.Ext(base); ext == ".yaml" || ext == ".yml" {
			base = strings.TrimSuffix(base, ext)
		}
		c.Name = base
	}
	if c.Advertise == "" {
		c.Advertise = c.Listen
	}
	if c.DataDir == "" {
		c.DataDir = filepath.Join("data", c.Name)
	}
	for _, path := range []*string{&c.DataDir, &c.TLS.Cert, &c.TLS.Key, &c.TLS.CA, &c.Gossip.Keyring, &c.Audit.File} {
		if *path != "" && !filepath.IsAbs(*path) {
			*path = filepath.Join(filepath.Dir(file), *path)
		}
	}
}

// SwimConfig is the failure detector's configuration: its defaults with what the file sets.
func (c *Config) SwimConfig() swim.Config {
	s, g := swim.DefaultConfig(), &c.Gossip
	s.ProbeInterval, s.ProbeTimeout, s.IndirectProbes = g.ProbeInterval, g.ProbeTimeout, g.IndirectProbes
	s.SuspicionMult, s.SuspicionMaxMult = g.SuspicionMult, g.SuspicionMaxMult
	s.PushPullInterval, s.DeadDialInterval = g.PushPullInterval, g.DeadDialInterval
	s.NamesFixed = c.TLS.On() && c.TLS.Mode != TLSOptional
	return s
}

// NodeTuning is the core's tuning: its defaults with what the file sets.
func (c *Config) NodeTuning() node.Tuning {
	t := node.DefaultTuning()
	r := &c.Replication
	t.QueueBytesMax, t.BatchBytesMax = int(r.QueueBytesMax), int(r.BatchBytesMax)
	t.HintTTL, t.AckTimeout, t.RetryDelayMax, t.SyncInterval = r.HintTTL, r.AckTimeout, r.RetryDelayMax, r.SyncInterval
	t.MaxClockOffset = c.MaxClockOffset
	t.BootstrapRate, t.BootstrapWait = int(r.BootstrapRate), r.BootstrapWait
	t.TombstoneGrace = r.TombstoneGrace
	t.Forwards = c.Linearizable.Forward
	t.ChangesMax, t.ChangesBytesMax = c.Limits.ChangesMax, int(c.Limits.ChangesBytesMax)
	return t
}

// SlogLevel is the log level; Check has ensured that it is valid.
func (c *Config) SlogLevel() slog.Level {
	var l slog.Level
	if err := l.UnmarshalText([]byte(c.Log.Level)); err != nil {
		return slog.LevelInfo
	}
	return l
}
