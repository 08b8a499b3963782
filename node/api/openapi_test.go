package api

import (
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

func document(t *testing.T) map[string]any {
	var doc map[string]any
	require.NoError(t, yaml.Unmarshal(OpenAPI, &doc))
	return doc
}

func TestOpenAPIReferencesExist(t *testing.T) {
	doc := document(t)
	require.Equal(t, "3.1.0", doc["openapi"])
	refs := regexp.MustCompile(`\$ref: "#/([^"]*)"`).FindAllStringSubmatch(string(OpenAPI), -1)
	require.NotEmpty(t, refs)
	for _, ref := range refs {
		var at any = doc
		for name := range strings.SplitSeq(ref[1], "/") {
			m, ok := at.(map[string]any)
			require.True(t, ok, ref[1])
			at = m[name]
		}
		require.NotNil(t, at, "%s does not exist", ref[1])
	}
	require.Equal(t, len(refs), strings.Count(string(OpenAPI), "$ref"), "a reference that this test cannot read")
}

// Each schema has exactly the members of its type, and requires exactly those that are always there.
func TestOpenAPISchemasAreTheTypes(t *testing.T) {
	types := []any{Problem{}, Version{}, Entry{}, Listing{}, WatchEvent{}, WatchPage{},
		Member{}, Members{}, Join{}, Keyring{}, KeyringKey{},
		KeyringChange{}, Tokens{}, Token{}, TokenRule{}, WantedToken{}, NewToken{}, Conflicts{}, Conflict{},
		Candidate{}, Vote{}, Peer{}, Bootstrap{}, Voters{}, Voter{}, Status{}, Mode{}, WantedMode{},
		Cluster{}, ClusterMember{}, Finding{},
		LogLevel{}, Policy{},
		WantedPolicy{}, Count{}, Deletion{}, BatchOperation{}, BatchResult{}, BatchResults{}, Ready{}, Live{},
		Starting{}}
	schemas := document(t)["components"].(map[string]any)["schemas"].(map[string]any)
	require.Len(t, schemas, len(types)+1, "a schema without a type; Timestamp is the only one")
	for _, v := range types {
		typ := reflect.TypeOf(v)
		schema, ok := schemas[typ.Name()].(map[string]any)
		require.True(t, ok, "no schema %s", typ.Name())
		var all, required []string
		for i := range typ.NumField() {
			name, options, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ",")
			all = append(all, name)
			if options != "omitempty" {
				required = append(required, name)
			}
		}
		var properties, demanded []string
		for name := range schema["properties"].(map[string]any) {
			properties = append(properties, name)
		}
		for _, name := range schema["required"].([]any) {
			demanded = append(demanded, name.(string))
		}
		for _, names := range [][]string{all, required, properties, demanded} {
			slices.Sort(names)
		}
		require.Equal(t, all, properties, typ.Name())
		require.Equal(t, required, demanded, typ.Name())
	}
}

// The table of the document puts each code beside the status that the server answers with.
func TestOpenAPIStatuses(t *testing.T) {
	row := regexp.MustCompile(`(?m)^ *\| ([0-9]{3}) \| (.*) \|$`)
	listed := map[Code]string{}
	for _, m := range row.FindAllStringSubmatch(string(OpenAPI), -1) {
		for _, code := range regexp.MustCompile("`([a-z_]+)`").FindAllStringSubmatch(m[2], -1) {
			listed[Code(code[1])] = m[1]
		}
	}
	require.Len(t, listed, len(Codes()))
	for _, code := range Codes() {
		kind, err := Describe(code)
		require.NoError(t, err)
		require.Equal(t, strconv.Itoa(kind.Status), listed[code], code)
	}
}
