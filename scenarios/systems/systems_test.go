package systems

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/chaos"
	"kvs/scenarios"
)

var update = flag.Bool("update", false, "write the files that the tests compare with")

// places are those of three nodes with so many ports.
func places(ports int) (all []chaos.Place) {
	for i := 1; i <= 3; i++ {
		p := chaos.Place{Number: i, Name: fmt.Sprintf("n%d", i), Host: fmt.Sprintf("127.5.0.%d", i),
			Front: fmt.Sprintf("127.5.1.%d", i), Dir: fmt.Sprintf("/run/n%d", i), Data: fmt.Sprintf("/run/n%d/data", i)}
		for k := range ports {
			p.Ports = append(p.Ports, 1000*(k+1)+i)
		}
		all = append(all, p)
	}
	return all
}

// The command and the files of a node of each shipped system, as they are: a change of a file shows what it does.
func TestCommandsOfShippedSystems(t *testing.T) {
	require.Equal(t, []string{"consul", "etcd", "kvs", "kvs-rest", "nats", "redis"}, Names())
	for _, name := range Names() {
		s, err := Load(name, nil)
		require.NoError(t, err, name)
		require.Equal(t, name, s.Name)
		require.NotEmpty(t, s.About)
		require.NotEmpty(t, s.VersionArgs)
		store := s.Store("/usr/bin/" + filepath.Base(s.Program))
		all := places(store.Ports)
		var b strings.Builder
		for _, own := range all[:2] {
			c, err := store.Command(own, all)
			require.NoError(t, err)
			fmt.Fprintf(&b, "%s: clients at port %d\n%s\n", own.Name, own.Ports[store.Client], c.Program)
			for _, a := range append(c.Args, c.Env...) {
				fmt.Fprintln(&b, " ", a)
			}
			for name, text := range c.Files {
				fmt.Fprintf(&b, "%s:\n%s", name, text)
			}
		}
		golden := filepath.Join("testdata", name+".commands")
		if *update {
			require.NoError(t, os.WriteFile(golden, []byte(b.String()), 0o644))
		}
		want, err := os.ReadFile(golden)
		require.NoError(t, err)
		require.Equal(t, string(want), b.String(), "see the difference, then run with -update")
	}
}

const minimal = `version: 1
name: mine
driver: etcd
program: mine
ports: [client, peer]
command: ["--listen={{.Listen \"client\"}}"]
`

func TestWhatAFileNeedNotSay(t *testing.T) {
	s, err := Parse([]byte(minimal), nil)
	require.NoError(t, err)
	require.Equal(t, []string{Linearizable, NoLostWrite, Converged}, s.Promises)
	require.Equal(t, readyWithin, s.ReadyWithin)
	require.Zero(t, s.client)
	s, err = Parse([]byte(minimal+"client-port: peer\nready: {within: 5s}\npromises: [converged]\n"),
		[]string{"reads=serializable"})
	require.NoError(t, err)
	require.Equal(t, 1, s.client)
	require.Equal(t, 5*time.Second, s.ReadyWithin)
	require.Equal(t, []string{Converged}, s.Promises)
	require.Equal(t, "reads=serializable", s.Options)
}

// A mistake is named with its line, or with its key and what is possible.
func TestMistakesInFiles(t *testing.T) {
	for _, test := range []struct {
		text    string
		options []string
		want    string
	}{
		{"", nil, "the file is empty"},
		{minimal + "readiness: 5\n", nil, "line 7: there is no key readiness here"},
		{minimal + "options: {read: serializable}\n", nil, "line 7: there is no key read here"},
		{minimal + "ready: {with-in: 5s}\n", nil, "line 7: there is no key with-in here"},
		{minimal + "ready: {within: soon}\n", nil, "line 7"},
		{minimal + "name: twice\n", nil, `line 7: mapping key "name" already defined at line 2`},
		{minimal + "---\nname: b\n", nil, "one document"},
		{strings.Replace(minimal, "version: 1", "version: 2", 1), nil, "this kvsim reads version 1"},
		{strings.Replace(minimal, "version: 1\n", "", 1), nil, "begin the file with `version: 1`"},
		{strings.Replace(minimal, "etcd", "oracle", 1), nil,
			`driver: "oracle": use one of consul, etcd, http, kvs, nats, redis`},
		{strings.Replace(minimal, "program: mine\n", "", 1), nil, "program: name the program"},
		{strings.Replace(minimal, "name: mine\n", "", 1), nil, "name: give the store one"},
		{strings.Replace(minimal, "[client, peer]", "[]", 1), nil, "ports: name those"},
		{strings.Replace(minimal, "[client, peer]", "[a, a]", 1), nil, "there twice"},
		{strings.Replace(minimal, "client\\\"", "cli\\\"", 1), nil, `there is no port "cli": ports has client, peer`},
		{strings.Replace(minimal, ".Listen", ".Lisen", 1), nil, "can't evaluate field Lisen"},
		{strings.Replace(minimal, "{{.Listen", "{{{.Listen", 1), nil, "command: argument 1"},
		{minimal + "client-port: http\n", nil, `client-port: "http" is none of the ports`},
		{minimal + "files: {../x: a}\n", nil, "give a name without a folder"},
		{minimal + "files: {x: '{{.Y}}'}\n", nil, "file x"},
		{minimal + "env: {X: '{{.Y}}'}\n", nil, "env X"},
		{minimal + "promises: [fast]\n", nil, `promises: "fast": use some of linearizable, no-lost-write, converged`},
		{minimal + "failover: redis\n", nil, "failover: redis is for the driver redis"},
		{minimal + "ready: {http: health}\n", nil, "begin with a slash"},
		{minimal + "options: {reads: fast}\n", nil, `options: reads: "fast": use linearizable or serializable`},
		{minimal, []string{"reads"}, `option "reads": write name=value`},
		{minimal, []string{"reads=fast"}, `reads: "fast"`},
		{minimal, []string{"read=fast"}, "options: there is no key read here"},
	} {
		_, err := Parse([]byte(test.text), test.options)
		require.ErrorContains(t, err, test.want, test.text)
	}
	_, err := Load("oracle", nil)
	require.ErrorContains(t, err, `there is no system "oracle": use one of consul, etcd, kvs, kvs-rest, nats, redis`)
	_, err = Load("./no.yaml", nil)
	require.ErrorIs(t, err, os.ErrNotExist)
}

// The plans that are shipped for stores of any kind.
func TestPlansForStores(t *testing.T) {
	files, err := filepath.Glob("plans/*.scenario")
	require.NoError(t, err)
	require.Len(t, files, 4)
	for _, f := range files {
		s, err := scenarios.Library.LoadFile(f)
		require.NoError(t, err)
		store := &chaos.Store{}
		for _, e := range s.Plan.Events {
			require.True(t, store.Runs(e.Kind), "%s: %s", f, e)
		}
	}
}
