package metrics

import (
	"errors"
	"flag"
	"go/parser"
	"go/token"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"kvs/node"
	"kvs/node/hlc"
	"kvs/node/swim"
)

var update = flag.Bool("update", false, "write the golden files anew")

// full is a sample in which everything that can be shown is there.
func full() Sample {
	st := &node.Status{
		ID: 1, Mode: node.ModeReadOnly, ModeReasons: []string{"bootstrap 10 %", "bootstrap 11 %", "disk"},
		Started: 3 * time.Second,
		Clock:   hlc.Make(1_700_000_000_250, 7),
		Members: []swim.Member{{ID: 1}, {ID: 2, State: swim.Suspect}, {ID: 3, State: swim.Left}},
		Peers: []node.PeerStatus{
			{ID: 2, QueueBytes: 1 << 20, QueueEntries: 9, LastAck: 5 * time.Second, ClockMeasured: true,
				ClockOffset: -250 * time.Millisecond}, {ID: 3}},
		Config: &node.Config{Epoch: 4}, LocalHealth: 2,
		Bootstrap: &node.BootstrapStatus{BytesDone: 10, BytesAll: 100},
	}
	v := reflect.ValueOf(&st.Counters).Elem()
	for i := range v.NumField() {
		if v.Field(i).Kind() == reflect.Uint64 {
			v.Field(i).SetUint(42)
		}
	}
	return Sample{Status: st, Ready: true, Uptime: 10 * time.Second, Wall: 1_700_000_000_000, InFlight: 3,
		Recorder:    &Recorder{On: true, Bytes: 1 << 20, Written: 3 << 20, Gaps: 1},
		CertExpires: time.Unix(1_800_000_000, 0), HandshakesFailed: 4,
		Network: Network{DatagramsIn: 1, FramesLost: 2, FrameBytes: 1 << 40}}
}

func newMetrics(t *testing.T, o Options) *Metrics {
	t.Helper()
	o.Version = "v1"
	if o.Sample == nil {
		o.Sample = func() (Sample, error) { return full(), nil }
	}
	if o.Sizes == nil {
		o.Sizes = func() (Sizes, error) { return Sizes{1 << 20, 1 << 30, 5}, nil }
	}
	m, err := New(o)
	require.NoError(t, err)
	return m
}

func text(t *testing.T, m *Metrics) string {
	t.Helper()
	b, err := m.Text()
	require.NoError(t, err)
	return string(b)
}

// Every counter of the core is shown, under a name that its line in counters.go chooses.
func TestCountersOfTheCoreAreShown(t *testing.T) {
	shown := map[string]bool{}
	for _, c := range counters {
		require.False(t, shown[c.field], "%s is shown twice", c.field)
		shown[c.field] = true
		require.Len(t, split(c.value), len(split(c.label)), c.field)
	}
	typ := reflect.TypeFor[node.Counters]()
	for i := range typ.NumField() {
		f := typ.Field(i)
		if f.Type.Kind() == reflect.Uint64 {
			require.True(t, shown[f.Name] != summed[f.Name],
				"node.Counters.%s needs a line in counters.go, and its metric one in doc.go", f.Name)
		}
	}
}

// The table in doc.go has exactly the names, types and labels that are shown.
func TestNamesAreDocumented(t *testing.T) {
	f, err := parser.ParseFile(token.NewFileSet(), "doc.go", nil, parser.ParseComments)
	require.NoError(t, err)
	documented := map[string]string{}
	for _, row := range regexp.MustCompile(
		`(?m)^\t\| (kvs_\w+) +\| (\w+) +\| ([a-z, ]*?) ?\| .+ \|$`).FindAllStringSubmatch(f.Doc.Text(), -1) {
		documented[row[1]] = row[2] + " " + row[3]
	}
	m := newMetrics(t, Options{})
	m.requests.WithLabelValues("get", "eventual", "not_found").Inc()
	m.Decided(&node.Decision{})
	families, err := m.registry.Gather()
	require.NoError(t, err)
	shown := map[string]string{}
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), "kvs_") {
			continue
		}
		var labels []string
		for _, l := range f.Metric[0].Label {
			labels = append(labels, l.GetName())
		}
		shown[f.GetName()] = strings.ToLower(f.GetType().String()) + " " + strings.Join(labels, ", ")
		require.NotEmpty(t, f.GetHelp(), f.GetName())
	}
	sortLabels := func(m map[string]string) {
		for name, v := range m {
			kind, list, _ := strings.Cut(v, " ")
			labels := strings.Split(list, ", ")
			slices.Sort(labels)
			m[name] = kind + " " + strings.Join(labels, ", ")
		}
	}
	sortLabels(documented)
	sortLabels(shown)
	require.Equal(t, documented, shown)
}

// The whole page, but for what the runtime and the process say of themselves.
func TestPage(t *testing.T) {
	m := newMetrics(t, Options{})
	m.Request(OpGet, node.Eventual, OK, time.Millisecond)
	m.Request(OpPut, node.DefaultLevel, "bad_path", 2*time.Second)
	m.Decided(&node.Decision{Final: true})
	page := text(t, m)
	require.Contains(t, page, "\ngo_goroutines ")
	require.Contains(t, page, "\nprocess_cpu_seconds_total ")
	var kept strings.Builder
	for line := range strings.Lines(page) {
		name := strings.TrimPrefix(strings.TrimPrefix(line, "# HELP "), "# TYPE ")
		if strings.HasPrefix(name, "kvs_") && !strings.HasPrefix(name, "kvs_build_info{") &&
			(!strings.Contains(line, "_bucket{") || strings.Contains(line, `le="+Inf"`)) {
			kept.WriteString(line)
		}
	}
	const file = "testdata/page.txt"
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(file, []byte(kept.String()), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), kept.String())
}

// A node that does not answer still shows what its host knows, and that something is wrong.
func TestSourcesThatFail(t *testing.T) {
	bad := errors.New("planted")
	m := newMetrics(t, Options{
		Sample: func() (Sample, error) { return Sample{Network: Network{DatagramsIn: 7}}, bad },
		Sizes:  func() (Sizes, error) { return Sizes{}, bad },
	})
	text(t, m)
	page := text(t, m)
	require.Contains(t, page, "kvs_scrape_failures_total{source=\"snapshot\"} 2\n")
	require.Contains(t, page, "kvs_scrape_failures_total{source=\"store\"} 2\n")
	require.Contains(t, page, "kvs_datagrams_total{result=\"in\"} 7\n")
	require.Contains(t, page, "kvs_ready 0\n")
	require.NotContains(t, page, "kvs_members{")
	require.NotContains(t, page, "kvs_store_bytes ")
}

type brokenStore struct {
	node.Store
	err error
}

func (b *brokenStore) Apply([]node.Change) error { return b.err }

func TestPersistsAreObserved(t *testing.T) {
	m := newMetrics(t, Options{})
	b := &brokenStore{}
	s := m.Store(b)
	require.NoError(t, s.Apply(make([]node.Change, 3)))
	b.err = errors.New("planted")
	require.ErrorIs(t, s.Apply(nil), b.err)
	page := text(t, m)
	require.Contains(t, page, "kvs_persist_duration_seconds_count 1\n")
	require.Contains(t, page, "kvs_group_commit_ops_sum 3\n")
	require.Contains(t, page, "kvs_persist_failures_total 1\n")
}

func TestOptionsAreRequired(t *testing.T) {
	_, err := New(Options{})
	require.Error(t, err)
}

var _ prometheus.Collector = (*status)(nil)

func BenchmarkRequest(b *testing.B) {
	m, err := New(Options{Sample: func() (Sample, error) { return full(), nil }, Sizes: func() (Sizes, error) {
		return Sizes{}, nil
	}})
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		m.Request(OpGet, node.Eventual, OK, time.Millisecond)
	}
}
