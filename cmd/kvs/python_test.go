package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"kvs/node/api"
)

const pythonClient = root + "/clients/python"

// python is the interpreter of Python 3. Without one the test skips, or fails where KVS_REQUIRE_PYTHON=1 says that it
// must run.
func python(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("python3")
	if err != nil {
		require.NotEqual(t, "1", os.Getenv("KVS_REQUIRE_PYTHON"), "%v", err)
		t.Skip("NO PYTHON: ", err)
	}
	return path
}

// The Python client does against real nodes what its help says, over TLS too.
func TestPythonClient(t *testing.T) {
	py := python(t)
	s, secure := newSite(t), newSite(t)
	s.init(3)
	secure.initSecure(1)
	s.ok("start", "--wait", "node1", "node2", "node3")
	secure.ok("start", "--wait", "node1")
	eventually(t, "the clusters are founded", func() bool {
		return s.run("counter", "add", "n", "1", "--endpoint", s.endpoint(1)).code == 0 &&
			secure.run(secure.asAdmin(1, "put", "n", "1", "--consistency", "linearizable")...).code == 0
	})
	cmd := exec.Command(py, "-W", "error", "test_kvs.py")
	cmd.Dir = pythonClient
	cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1",
		"KVS_TEST_ENDPOINTS="+strings.Join([]string{s.endpoint(1), s.endpoint(2), s.endpoint(3)}, ","),
		"KVS_TEST_SECURE="+secure.endpoint(1),
		"KVS_TEST_CA="+filepath.Join(secure.dir, "certs", "ca.crt"),
		"KVS_TEST_TOKEN="+filepath.Join(secure.dir, "admin", "token"))
	r := finish(t, cmd)
	require.Zero(t, r.code, "%s\n%s", r.stdout, r.stderr)
	require.NotContains(t, r.stderr, "skipped")
}

// The Python client keeps to what its oldest version of Python can read.
func TestPythonClientIsForOldVersions(t *testing.T) {
	const check = `import ast; ast.parse(open("kvs.py", encoding="utf-8").read(), feature_version=(3, 9))`
	cmd := exec.Command(python(t), "-c", check)
	cmd.Dir = pythonClient
	r := finish(t, cmd)
	require.Zero(t, r.code, r.stderr)
}

// notInPython are parameters of the routes below /kv/ that the Python client does not have, and why.
var notInPython = map[string]string{
	"return":   "the headers of an answer say the same",
	"count":    "a program counts what it lists",
	"confirm":  "directories are deleted by people",
	"Range":    "values are at most 8 MiB",
	"If-Range": "values are at most 8 MiB",
}

// The Python client speaks as the OpenAPI document says: its routes, parameters, headers and members of documents.
func TestPythonClientFollowsTheDocument(t *testing.T) {
	source, err := os.ReadFile(filepath.Join(pythonClient, "kvs.py"))
	require.NoError(t, err)
	for _, v := range checkClient(t, string(source)) {
		t.Error(v)
	}
	// the alarm rings.
	for old, planted := range map[string]string{
		`"/members/"`: `"/member/"`, `"Kvs-TTL"`: `"Kvs-Life"`, `query["after"]`: `query["behind"]`,
		`e.get("content_type"`: `e.get("media_type"`,
	} {
		require.Contains(t, string(source), old)
		require.NotEmpty(t, checkClient(t, strings.ReplaceAll(string(source), old, planted)), planted)
	}
}

var (
	pythonTarget = regexp.MustCompile(`"(/[a-z/]+)"`)
	pythonHeader = regexp.MustCompile(`"((?:Kvs|If|Idempotency)-[A-Za-z-]+)"`)
	pythonQuery  = regexp.MustCompile(`query\["([a-z_]+)"\]`)
	pythonMember = regexp.MustCompile(`\be(?:\.get\(|\[)"([a-z_0-9]+)"`)
)

// checkClient returns where the source of the client and the OpenAPI document differ.
func checkClient(t *testing.T, source string) (violations []string) {
	var doc struct {
		Paths      map[string]map[string]any
		Components struct {
			Schemas map[string]struct{ Properties map[string]any }
		}
	}
	require.NoError(t, yaml.Unmarshal(api.OpenAPI, &doc))
	for _, m := range pythonTarget.FindAllStringSubmatch(source, -1) {
		if _, ok := doc.Paths[m[1]]; !ok && m[1] != "/kv/" {
			violations = append(violations, m[1]+" is no route")
		}
	}
	whole, err := json.Marshal(doc.Paths)
	require.NoError(t, err)
	names := string(whole) + string(api.OpenAPI)
	for _, m := range append(pythonHeader.FindAllStringSubmatch(source, -1),
		pythonQuery.FindAllStringSubmatch(source, -1)...) {
		if !strings.Contains(names, "name: "+m[1]+"\n") && !strings.Contains(names, "name: "+m[1]+",") &&
			!strings.Contains(names, m[1]+":") {
			violations = append(violations, "the document has no parameter "+m[1])
		}
	}
	entry := doc.Components.Schemas["Entry"].Properties
	read := map[string]bool{}
	for _, m := range pythonMember.FindAllStringSubmatch(source, -1) {
		read[m[1]] = true
		if _, ok := entry[m[1]]; !ok {
			violations = append(violations, "an entry has no member "+m[1])
		}
	}
	for name := range entry {
		if !read[name] {
			violations = append(violations, "the client does not read the member of an entry "+name)
		}
	}
	for _, name := range parametersOf(doc.Paths["/kv/{path}"], doc.Paths["/kv/{directory}/"]) {
		if notInPython[name] == "" && !strings.Contains(source, `"`+name+`"`) && !strings.Contains(source, name+"=") {
			violations = append(violations, "the client has no parameter "+name)
		}
	}
	return violations
}

// parametersOf are the names of all parameters of some routes that are not part of the path.
func parametersOf(routes ...map[string]any) (names []string) {
	add := func(list any) {
		all, _ := list.([]any)
		for _, p := range all {
			m := p.(map[string]any)
			name, _ := m["name"].(string)
			switch ref, _ := m["$ref"].(string); ref {
			case "":
			case "#/components/parameters/Deadline":
				name = api.HeaderDeadline
			case "#/components/parameters/IdempotencyKey":
				name = api.HeaderIdempotencyKey
			default:
				name = strings.ToLower(ref[strings.LastIndex(ref, "/")+1:])
			}
			if m["in"] != "path" && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	for _, route := range routes {
		add(route["parameters"])
		for _, operation := range route {
			if o, ok := operation.(map[string]any); ok {
				add(o["parameters"])
			}
		}
	}
	return names
}
