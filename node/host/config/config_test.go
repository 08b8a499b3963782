package config_test

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node"
	"kvs/node/host/config"
	"kvs/node/swim"
)

var update = flag.Bool("update", false, "rewrite the golden file, then review the difference")

func TestDefaultFileIsTheGoldenOne(t *testing.T) {
	got := config.Render(config.Default())
	golden := filepath.Join("testdata", "default.yaml")
	if *update {
		require.NoError(t, os.WriteFile(golden, got, 0o644))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, string(want), string(got))
}

func TestWrittenFilesParseBack(t *testing.T) {
	defaults := config.Default()
	changed := config.Default()
	changed.Name, changed.Cluster = "node # one", `quo"ted: 'yes'`
	changed.Listen, changed.Advertise = "[::1]:7001", "example.org:7001"
	changed.Seeds = []string{"10.0.0.1:7001", "b:7002"}
	changed.StrongPrefixes = []string{"orders/", "/"}
	changed.DataDir = "/var/lib/kvs data"
	changed.DefaultConsistency, changed.ReadOnly = node.Linearizable, true
	changed.ValueBytesMax, changed.RequestTimeout = 512, 90*time.Second
	changed.Log = config.Log{Level: "debug", Format: "json", BytesMax: 1 << 20, FilesMax: 9}
	booleans := config.Default()
	booleans.Name, booleans.Cluster = "true", "1"

	for name, c := range map[string]config.Config{"defaults": defaults, "changed": changed, "booleans": booleans} {
		file := filepath.Join("/etc", "kvs", "some.yaml")
		got, err := config.Parse(file, config.Render(c))
		require.NoError(t, err, name)
		want := c
		want.Resolve(file)
		require.Equal(t, &want, got, name)
	}
}

// A file without a key has its default: the documentation in the file and the code cannot drift apart unseen.
func TestEmptyFilesMeanTheDefaults(t *testing.T) {
	want := config.Default()
	want.Resolve("/x/node1.yaml")
	for _, text := range []string{"", "# only a comment\n", "---\n", "seeds:\nlog:\n", "{}"} {
		got, err := config.Parse("/x/node1.yaml", []byte(text))
		require.NoError(t, err, text)
		require.Equal(t, &want, got, text)
	}
	require.Equal(t, swim.DefaultConfig(), want.SwimConfig())
	require.Equal(t, node.DefaultTuning(), want.NodeTuning())
}

func TestWhatFollowsFromTheRest(t *testing.T) {
	c, err := config.Parse("/srv/kvs/node7.yml", []byte("listen: 10.1.2.3:7007\ninsecure: true\n"))
	require.NoError(t, err)
	require.Equal(t, "node7", c.Name)
	require.Equal(t, "10.1.2.3:7007", c.Advertise)
	require.Equal(t, "/srv/kvs/data/node7", c.DataDir)
	c, err = config.Parse("/srv/kvs/node7.yml", []byte("data_dir: ../d\nname: other\n"))
	require.NoError(t, err)
	require.Equal(t, "/srv/d", c.DataDir)
	c, err = config.Parse("/srv/kvs/node7.yml",
		[]byte("listen: '[2001:db8::1]:1'\ntls: {cert: c/a.crt, key: /k, ca: ../ca.crt}\n"+
			"gossip: {keyring: k}\nauth: {mode: required}\n"))
	require.NoError(t, err)
	require.Equal(t, config.TLS{Cert: "/srv/kvs/c/a.crt", Key: "/k", CA: "/srv/ca.crt", Mode: "required",
		MinVersion: "1.3"}, c.TLS)
	for _, listen := range []string{"localhost:1", "'[::1]:1'", "127.8.9.1:1"} {
		_, err = config.Parse("/srv/kvs/node7.yml", []byte("listen: "+listen+"\n"))
		require.NoError(t, err)
	}
}

// Every field of Config appears in the written file, with a description above it and its default in words.
func TestEveryKeyIsDescribed(t *testing.T) {
	lines := strings.Split(string(config.Render(config.Default())), "\n")
	var walk func(typ reflect.Type, indent string)
	walk = func(typ reflect.Type, indent string) {
		for i := range typ.NumField() {
			f := typ.Field(i)
			key := f.Tag.Get("yaml")
			require.NotEmpty(t, key, f.Name)
			if key == "-" {
				continue
			}
			at := -1
			for n, l := range lines {
				if strings.HasPrefix(l, indent+key+":") {
					at = n
				}
			}
			require.Positive(t, at, "key %s is not in the file", key)
			require.True(t, strings.HasPrefix(lines[at-1], indent+"# "), "key %s has no description", key)
			if f.Type.Kind() == reflect.Struct {
				walk(f.Type, indent+"  ")
				continue
			}
			text := ""
			for n := at - 1; strings.HasPrefix(lines[n], indent+"# "); n-- {
				text = lines[n] + text
			}
			require.Regexp(t, `Default: |Empty: `, text, "key %s", key)
			if _, value, _ := strings.Cut(text, "Default: "); value != "" {
				require.True(t, strings.HasPrefix(value, strings.TrimPrefix(strings.TrimSpace(lines[at]), key+": ")),
					"key %s: %s, but described as %s", key, lines[at], value)
			}
		}
	}
	walk(reflect.TypeFor[config.Config](), "")
}

func TestProblemsNameTheLineAndWhatToDo(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"listne: a:1\n", `n.yaml:1: unknown key "listne"; did you mean "listen"?`},
		{"name: a\n\nlog:\n  levle: info\n", `n.yaml:4: unknown key "log.levle"; did you mean "log.level"?`},
		{"sync_interval: 5s\n",
			`n.yaml:1: unknown key "sync_interval"; did you mean "replication.sync_interval", in another section?`},
		{"zzz: 1\n", `n.yaml:1: unknown key "zzz"; the keys here are name, cluster, `},
		{"name: a\nname: b\n", `n.yaml:2: name: set twice, first on line 1; keep one`},
		{"request_timeout: 5\n", `n.yaml:1: request_timeout: "5" is not a duration; write a number and ms, s, m or h`},
		{"request_timeout: 5 s\n", `is not a duration`},
		{"value_bytes_max: 1MB\n",
			`n.yaml:1: value_bytes_max: "1MB" is not a size; write a whole number and B, KiB, MiB or GiB`},
		{"value_bytes_max: 9MiB\n", `n.yaml:1: value_bytes_max: 9MiB is out of range, want 1B to 8MiB`},
		{"value_bytes_max: 0\n", `out of range`},
		{"read_only: maybe\n", `n.yaml:1: read_only: "maybe" is neither true nor false`},
		{"requests_max: many\n", `n.yaml:1: requests_max: "many" is not a whole number`},
		{"default_consistency: strong\n",
			`n.yaml:1: default_consistency: unknown consistency level "strong": use eventual, quorum or linearizable`},
		{"cors_origins: [app.example.org]\n", `n.yaml:1: cors_origins: "app.example.org" is no origin`},
		{"cors_origins: ['https://a.org/']\n", `write https://app.example.org, without a slash`},
		{"cors_origins: ['*', 'https://a.org']\n", `* is every origin: omit the others`},
		{"seeds: a:7001\n", `n.yaml:1: seeds: want a list, such as [a:7001, b:7001]`},
		{"seeds: [[a]]\n", `seeds: want a list of single values`},
		{"seeds: [a]\n", `n.yaml:1: seeds: "a" is not an address; write host:port`},
		{"seeds: ['0.0.0.0:1']\n", `every address at once; give a member's own`},
		{"name: [a]\n", `n.yaml:1: name: want a single value`},
		{"name: \"a\\nb\"\n", `control character`},
		{"name: ../../esc\n", `n.yaml:1: name: "../../esc" cannot be the name of a folder`},
		{"name: a/b\ndata_dir: d\n", `cannot be the name of a folder`},
		{"name: ..\n", `cannot be the name of a folder`},
		{"name: .\n", `cannot be the name of a folder`},
		{"log: info\n", `n.yaml:1: log: is a section; put its keys below it, indented`},
		{"log:\n  level: warning\n", `n.yaml:2: log.level: "warning" is none of debug, info, warn, error`},
		{"listen: 7001\n", `n.yaml:1: listen: "7001" is not an address; write host:port`},
		{"listen: 10.0.0.1:7001\n",
			`n.yaml:1: listen: 10.0.0.1:7001 is open to the network, and without tls, gossip.keyring and auth.mode`},
		{"listen: host:7001\n", `or set insecure: true if this network is closed`},
		{"auth: {mode: required}\n", `n.yaml:1: auth.mode: tokens would travel unencrypted: set tls first`},
		{"auth: {admin_hash: abc}\n", `n.yaml:1: auth.admin_hash: a hash is 64 hexadecimal digits`},
		{"tls: {cert: a}\n", `n.yaml: tls.key: missing: cert, key and ca belong together`},
		{"tls: {mode: on}\n", `n.yaml:1: tls.mode: "on" is none of required, optional`},
		{"tls: {min_version: '1.1'}\n", `tls.min_version: "1.1" is none of 1.2, 1.3`},
		{"listen: 127.0.0.1:0\n", `n.yaml:1: listen: "127.0.0.1:0" has no usable port`},
		{"listen: 127.0.0.1:70000\n", `port from 1 to 65535`},
		{"cluster: x\nlisten: 0.0.0.0:7001\n",
			`n.yaml: advertise: missing: listen is 0.0.0.0:7001, every address of this machine`},
		{"listen: :7001\n", `advertise: missing`},
		{"listen: 0.0.0.0:7001\nadvertise: '[::]:7001'\n", `n.yaml:2: advertise: "[::]:7001" is every address at once`},
		{"advertise: nonsense\n", `n.yaml:1: advertise: "nonsense" is not an address`},
		{"disk:\n  high_watermark: 1MiB\n",
			`n.yaml:2: disk.high_watermark: 1MiB must be larger than low_watermark, 128MiB`},
		{"gossip:\n  probe_timeout: 2s\n", `n.yaml:2: gossip.probe_timeout: 2s must be less than probe_interval, 1s`},
		{"replication: {queue_bytes_max: 1KiB}\n",
			`n.yaml:1: replication.queue_bytes_max: 1KiB is out of range, want 17MiB to 1024GiB`},
		{"replication: {ack_timeout: 1m}\n", `replication.retry_delay_max: 10s must not be less than ack_timeout, 1m`},
		{"- a\n", `n.yaml:1: want lines of the form key: value`},
		{"a: [\n", `n.yaml:1: did not find`},
		{"name: a\n\tcluster: b\n", `n.yaml:2: found a tab character`},
		{"name: a\n---\nname: b\n", `n.yaml:2: a second document begins here`},
		{"name: &x a\ncluster: *x\n", `n.yaml:2: cluster: anchors and aliases are not understood`},
		{strings.Repeat("#", 1<<20) + "\n", `is no configuration file`},
	} {
		_, err := config.Parse("n.yaml", []byte(c.text))
		require.ErrorContains(t, err, c.want, "%.200s", c.text)
	}
}

func TestAllProblemsAreReportedAtOnce(t *testing.T) {
	_, err := config.Parse("n.yaml",
		[]byte("nmae: x\nread_only: 7\nlisten: x\nexpected_members: -1\n"+
			"disk:\n  low_watermark: much\n  high_watermark: 100MiB\n"))
	require.ErrorContains(t, err, `n.yaml:1: unknown key "nmae"`)
	require.ErrorContains(t, err, "n.yaml:2: read_only")
	require.ErrorContains(t, err, "n.yaml:3: listen")
	require.ErrorContains(t, err, "n.yaml:4: expected_members: -1 is out of range")
	require.ErrorContains(t, err, "n.yaml:6: disk.low_watermark")
	require.NotContains(t, err.Error(), "high_watermark: 100MiB must",
		"it is not compared with a value that could not be read")

	var p *config.Problem
	require.True(t, errors.As(err, &p))
	require.Equal(t, 1, p.Line)
}

func TestMissingFileIsWrittenAndUsed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "folder", "node1.yaml")
	c, created, err := config.Load(path)
	require.NoError(t, err)
	require.True(t, created)
	require.Equal(t, "node1", c.Name)
	require.Equal(t, filepath.Join(filepath.Dir(path), "data", "node1"), c.DataDir)

	again, created, err := config.Load(path)
	require.NoError(t, err)
	require.False(t, created)
	require.Equal(t, c, again)
	entries, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, entries, 1, "nothing temporary stays behind")
}

func TestAFolderThatCannotBeMadeIsAClearError(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o644))
	_, _, err := config.Load(filepath.Join(file, "node1.yaml"))
	require.ErrorContains(t, err, "node1.yaml")
	_, _, err = config.Load(filepath.Dir(file))
	require.ErrorContains(t, err, "is a directory")
}

// FuzzParse: whatever is in the file, there is a configuration that checks or an error, and what was read can be
// written.
func FuzzParse(f *testing.F) {
	f.Add([]byte("name: a\nlog: {level: warn}\nseeds: [a:1]\n"))
	f.Add(config.Render(config.Default()))
	f.Add([]byte("a: &x [*x]\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		c, err := config.Parse("/f/n.yaml", content)
		if err != nil {
			return
		}
		require.NoError(t, c.Check())
		again, err := config.Parse("/f/n.yaml", config.Render(*c))
		require.NoError(t, err)
		require.Equal(t, c, again)
	})
}

// ${NAME} is what the environment says, and a mistake when it says nothing: ${POD_IP} was gossiped as it stands.
func TestVariables(t *testing.T) {
	t.Setenv("POD_IP", "10.1.2.3")
	t.Setenv("EMPTY", "")
	c, err := config.Parse("/n.yaml",
		[]byte("insecure: true\nadvertise: ${POD_IP}:7001\nseeds: ['${POD_IP}:1', 'b:2']\n"+
			"cluster: a$${POD_IP}b$c${EMPTY}\nlisten: 0.0.0.0:7001\n"))
	require.NoError(t, err)
	require.Equal(t, "10.1.2.3:7001", c.Advertise)
	require.Equal(t, []string{"10.1.2.3:1", "b:2"}, c.Seeds)
	require.Equal(t, "a${POD_IP}b$c", c.Cluster)
	for text, says := range map[string]string{
		"name: a\nadvertise: ${NO_SUCH_VARIABLE}:7001\n": "/n.yaml:2: advertise: ${NO_SUCH_VARIABLE}: the " +
			"environment has no NO_SUCH_VARIABLE",
		"cluster: a${POD_IP\n":               "want ${NAME}",
		"cluster: a${}\n":                    "want ${NAME}",
		"seeds: ['${NO_SUCH_VARIABLE}:1']\n": "the environment has no NO_SUCH_VARIABLE",
	} {
		_, err := config.Parse("/n.yaml", []byte(text))
		require.ErrorContains(t, err, says)
	}
}
