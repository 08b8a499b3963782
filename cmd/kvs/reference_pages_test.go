package main

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"kvs/node/api"
)

// The pages about metrics and the REST API are made of what the code ships: the table in the comment of package
// metrics, which tests of that package compare with /metrics, and the OpenAPI document. -update writes them.
func TestReferencePagesAreTrue(t *testing.T) {
	requirePage(t, "metrics.md", metricsPage(t))
	requirePage(t, "rest.md", restPage(t))
}

func metricsPage(t *testing.T) string {
	t.Helper()
	doc, err := os.ReadFile("../../node/host/metrics/doc.go")
	require.NoError(t, err)
	var b strings.Builder
	b.WriteString(`# Metrics

` + "`GET /metrics`" + ` answers in the text format of Prometheus. Names, types and labels are stable: later
versions add names and change none. Units are seconds and bytes. [Watch a cluster](../how-to/monitor.md) has the queries
to begin with. Metrics whose names begin with ` + "`go_` and `process_`" + ` are those of the Prometheus client library.

| name | type | labels | what |
|---|---|---|---|
`)
	rows := 0
	row := regexp.MustCompile(`(?m)^//\t\| (kvs_\S+) +\| (\S+) +\| (.*?) *\| (.*) \|$`)
	for _, m := range row.FindAllStringSubmatch(string(doc), -1) {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", m[1], m[2], m[3], m[4])
		rows++
	}
	require.Equal(t, strings.Count(string(doc), "//\t| kvs_"), rows, "a row of the table was not understood")
	b.WriteString("\nThe results of `kvs_datagrams_total` are `in`, `in_oversize`, `in_dropped`, `in_refused`, " +
		"`in_replayed`,\n`out`, `out_oversize`, `unresolved` and `error`. The limits of `kvs_refusals_total` are\n" +
		"`connections_per_address`, `requests_per_second`, `body_bytes_max` and `connections`.\n")
	return b.String()
}

// route is what the page says of one operation of the OpenAPI document.
type route struct {
	Summary    string
	Parameters []parameter
	Responses  map[string]struct {
		Description string
		Ref         string `yaml:"$ref"`
	}
}

type parameter struct {
	Name, In, Description string
	Ref                   string `yaml:"$ref"`
}

func restPage(t *testing.T) string {
	t.Helper()
	var doc struct {
		Info  struct{ Description string }
		Paths map[string]struct {
			Parameters                    []parameter
			Get, Put, Post, Patch, Delete *route
		}
		Components struct {
			Parameters map[string]parameter
		}
	}
	require.NoError(t, yaml.Unmarshal([]byte(api.OpenAPI), &doc))
	var b strings.Builder
	b.WriteString(`# The REST API

Every member serves all of it. This page is made from the [OpenAPI document](../../node/api/openapi.yaml), which has the
schemas of all bodies, and which every node serves at ` + "`/openapi.yaml`" + `. ` + "`GET`" +
		` routes answer ` + "`HEAD`" + ` too.

## Rules

` + strings.TrimSpace(doc.Info.Description) + "\n\n## Routes\n")
	order := regexp.MustCompile(`(?m)^  (/\S*):$`).FindAllStringSubmatch(string(api.OpenAPI), -1)
	require.Len(t, order, len(doc.Paths))
	describe := func(p parameter) string {
		if p.Ref != "" {
			p = doc.Components.Parameters[p.Ref[strings.LastIndexByte(p.Ref, '/')+1:]]
			require.NotEmpty(t, p.Name)
		}
		return fmt.Sprintf("| `%s` | %s | %s |\n", p.Name, p.In, flat(p.Description))
	}
	for _, m := range order {
		path := doc.Paths[m[1]]
		for _, op := range []struct {
			method string
			*route
		}{{"GET", path.Get}, {"PUT", path.Put}, {"POST", path.Post}, {"PATCH", path.Patch},
			{"DELETE", path.Delete}} {
			if op.route == nil {
				continue
			}
			summary := strings.Replace(op.Summary, "; HEAD is the same without the body", "", 1)
			fmt.Fprintf(&b, "\n### %s %s\n\n%s\n", op.method, m[1], summary)
			if all := slices.Concat(path.Parameters, op.Parameters); len(all) > 0 {
				b.WriteString("\n| parameter | in | |\n|---|---|---|\n")
				for _, p := range all {
					b.WriteString(describe(p))
				}
			}
			b.WriteString("\n| status | |\n|---|---|\n")
			var statuses []string
			for status := range op.Responses {
				statuses = append(statuses, status)
			}
			slices.Sort(statuses)
			for _, status := range statuses {
				if status == "default" {
					b.WriteString("| others | a problem: see the table above |\n")
				} else {
					fmt.Fprintf(&b, "| %s | %s |\n", status, flat(op.Responses[status].Description))
				}
			}
		}
	}
	return b.String()
}

// flat is a text in one cell of a table.
func flat(text string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(text), " "), "|", `\|`)
}
