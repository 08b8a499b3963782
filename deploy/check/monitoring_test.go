package check

import (
	"encoding/json"
	"log/slog"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/stretchr/testify/require"
)

var queries = parser.NewParser(parser.Options{})

// metrics are the names and labels of docs/reference/metrics.md, which a test compares with a node.
func metrics(t *testing.T) map[string]string {
	t.Helper()
	page, err := os.ReadFile("../../docs/reference/metrics.md")
	require.NoError(t, err)
	known := map[string]string{}
	row := regexp.MustCompile("(?m)^\\| `(kvs_[a-z_]+)` \\| ([a-z]+) \\| ([^|]*) \\|")
	for _, m := range row.FindAllStringSubmatch(string(page), -1) {
		known[m[1]] = m[3]
		if m[2] == "histogram" {
			known[m[1]+"_bucket"] = m[3] + ", le"
		}
	}
	require.Greater(t, len(known), 50)
	return known
}

// requireQuery reads an expression, and looks for every metric and label of kvs in it.
func requireQuery(t *testing.T, known map[string]string, expr string) {
	t.Helper()
	e, err := queries.ParseExpr(expr)
	require.NoError(t, err, expr)
	parser.Inspect(e, func(n parser.Node, _ []parser.Node) error {
		v, ok := n.(*parser.VectorSelector)
		if !ok || !strings.HasPrefix(v.Name, "kvs_") {
			return nil
		}
		labels, known := known[v.Name]
		require.True(t, known, "%s: there is no metric %s", expr, v.Name)
		for _, m := range v.LabelMatchers {
			if m.Name != "__name__" && m.Name != "job" && m.Name != "instance" {
				require.Contains(t, strings.Split(labels, ", "), m.Name, "%s: %s has no such label", expr, v.Name)
			}
		}
		return nil
	})
}

func TestAlerts(t *testing.T) {
	groups, errs := rulefmt.ParseFile("../monitoring/alerts.yaml", false, model.UTF8Validation, queries,
		slog.New(slog.DiscardHandler))
	require.Empty(t, errs)
	known, names := metrics(t), map[string]bool{}
	for _, g := range groups.Groups {
		for _, r := range g.Rules {
			require.False(t, names[r.Alert], r.Alert)
			names[r.Alert] = true
			require.NotEmpty(t, r.Annotations["summary"], r.Alert)
			require.NotEmpty(t, r.Annotations["description"], r.Alert)
			require.Contains(t, []string{"critical", "warning", "info"}, r.Labels["severity"], r.Alert)
			requireQuery(t, known, r.Expr)
			for _, page := range regexp.MustCompile(`docs/[a-z/-]+\.md`).FindAllString(r.Annotations["description"], -1) {
				require.FileExists(t, "../../"+page)
			}
		}
	}
	require.GreaterOrEqual(t, len(names), 10)
}

func TestDashboard(t *testing.T) {
	text, err := os.ReadFile("../monitoring/grafana.json")
	require.NoError(t, err)
	var doc struct {
		Title, UID string
		Panels     []struct {
			ID          int
			Title, Type string
			GridPos     struct{ X, Y, W, H int }
			Targets     []struct{ Expr string }
		}
		Templating struct {
			List []struct{ Name, Query string }
		}
	}
	require.NoError(t, json.Unmarshal(text, &doc))
	require.Equal(t, "kvs", doc.UID)
	known, ids := metrics(t), map[int]bool{}
	taken := map[[2]int]string{}
	for _, p := range doc.Panels {
		require.False(t, ids[p.ID], p.Title)
		ids[p.ID] = true
		require.NotEmpty(t, p.Targets, p.Title)
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				require.Less(t, x, 24, p.Title)
				require.Empty(t, taken[[2]int{x, y}], "%s covers another panel", p.Title)
				taken[[2]int{x, y}] = p.Title
			}
		}
		for _, q := range p.Targets {
			require.NotContains(t, q.Expr, "$instance")
			// Grafana replaces its own variables before Prometheus sees the query.
			requireQuery(t, known, strings.NewReplacer("$__rate_interval", "5m", "$job", ".*").Replace(q.Expr))
		}
	}
	require.Len(t, doc.Templating.List, 2)
}

// A check that finds nothing is worth nothing.
func TestPlantedQueries(t *testing.T) {
	known := metrics(t)
	_, there := known["kvs_ready"]
	require.True(t, there)
	_, there = known["kvs_readiness"]
	require.False(t, there)
	_, err := queries.ParseExpr("rate(kvs_requests_total[5m]")
	require.Error(t, err)
}
