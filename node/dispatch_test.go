package node

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/node/wire"
)

// Every row of the table of messages is full, one machine takes in each kind and reads what the row says, and every
// kind has a sample.
func TestEveryKindOfMessagesIsInTheTable(t *testing.T) {
	// its content is node/swim's, which has samples of its own.
	sampled := map[wire.Kind]bool{wire.KindMemberTable: true}
	for _, b := range sampleMessages() {
		sampled[wire.Kind(b[1])] = true
	}
	n := newBench(t, 1).machine[0].node
	taken := map[wire.Kind]wire.Body{}
	for _, h := range n.allHandlers() {
		taken[h.Kind] = h.Body
	}
	names, known := map[string]wire.Kind{}, map[wire.Kind]bool{}
	for _, r := range wire.Rows() {
		known[r.Kind] = true
		require.NotEmpty(t, r.Name, r.Kind)
		require.Zero(t, names[r.Name], "%s is two kinds", r.Name)
		require.NotZero(t, r.About, r.Name)
		require.True(t, sampled[r.Kind], "%s has no sample", r.Name)
		body := r.Kind.NewBody()
		require.NotNil(t, body, "%s has no body", r.Name)
		if bySwim := r.About == wire.SubjectMembers; bySwim {
			require.Nil(t, taken[r.Kind], r.Name)
		} else {
			require.IsType(t, body, taken[r.Kind], "%s: its machine reads something else than its row says, or "+
				"there is none", r.Name)
		}
		names[r.Name] = r.Kind
	}
	for kind, handle := range n.handlers {
		require.Equal(t, taken[wire.Kind(kind)] != nil, handle != nil, "kind %d", kind)
		require.True(t, handle == nil || known[wire.Kind(kind)], "kind %d has no row", kind)
	}
	declared := declaredKinds(t)
	require.Greater(t, len(declared), 30)
	for name, kind := range declared {
		require.True(t, known[kind], "%s = %d of node/wire is not in its table", name, kind)
	}
	require.Len(t, declared, len(known), "a number with two names")
}

// declaredKinds reads the constants of the type Kind from the source of node/wire.
func declaredKinds(t *testing.T) map[string]wire.Kind {
	files, err := filepath.Glob("wire/*.go")
	require.NoError(t, err)
	kinds := map[string]wire.Kind{}
	for _, name := range files {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		ast.Inspect(f, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok {
				return true
			}
			if of, ok := spec.Type.(*ast.Ident); !ok || of.Name != "Kind" {
				return true
			}
			number, err := strconv.ParseUint(spec.Values[0].(*ast.BasicLit).Value, 10, 8)
			require.NoError(t, err)
			kinds[spec.Names[0].Name] = wire.Kind(number)
			return true
		})
	}
	return kinds
}
