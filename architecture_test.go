// The house rules that a machine can check: who may import whom, and what pure packages may not do. The tables stand
// here, the checks in architecture_checks_test.go.
package kvs_test

// room is what one folder may do. A change to this table needs its reason beside the line, or above.
type room struct {
	dir string
	// no clock, no ambient randomness, no I/O, no concurrency, no map order, no floats: see checkPurity.
	pure   bool
	local  []string // packages of this module it may import; "*" for any.
	others []string // third-party modules it may import: each is confined to the room that wraps it.
	allow  []string // rules of purity that it may break, each with a reason beside the line.
}

var rooms = []room{
	// what a machine asks of its world: the same for kvs' node and for every machine in the simulator.
	{dir: "machine", pure: true},
	{dir: "node", pure: true, local: []string{
		"machine", "node/bootstrap", "node/changelog", "node/clocks", "node/codec", "node/configuration",
		"node/comparison", "node/image",
		"node/conflicts", "node/contract", "node/expiry", "node/hearsay", "node/hlc", "node/invariant",
		"node/membership", "node/merkle", "node/modes", "node/quorum", "node/register", "node/replication",
		"node/schema", "node/slot", "node/step", "node/swim", "node/tombstones", "node/view", "node/voting",
		"node/wire",
	}},
	// any type, field by field, the unexported ones too: what Go allows for that is in this room alone.
	{dir: "node/image", pure: true, allow: []string{"import reflect", "import unsafe"}},
	{dir: "node/recorder", pure: true,
		local: []string{"node", "node/codec", "node/contract", "node/slot", "node/wire"}},
	{dir: "node/relive", pure: true, local: []string{"node", "node/recorder", "node/slot"}},
	{dir: "node/hashed", pure: true, local: []string{"node/recorder", "node/relive"}},
	{dir: "node/codec", pure: true, local: []string{"node/invariant"}}, {dir: "node/invariant", pure: true},
	{dir: "node/bootstrap", pure: true, local: []string{
		"node/codec", "node/contract", "node/schema", "node/slot", "node/step", "node/swim", "node/wire",
	}},
	{dir: "node/clocks", pure: true, local: []string{"node/contract", "node/slot", "node/step"}},
	{dir: "node/configuration", pure: true, local: []string{
		"node/codec", "node/contract", "node/invariant", "node/schema", "node/slot", "node/step", "node/swim",
		"node/voting", "node/wire",
	}},
	{dir: "node/comparison", pure: true, local: []string{
		"node/codec", "node/contract", "node/invariant", "node/merkle", "node/schema", "node/slot", "node/step",
		"node/swim", "node/wire",
	}},
	{dir: "node/conflicts", pure: true, local: []string{
		"node/codec", "node/contract", "node/schema", "node/slot", "node/step",
	}},
	{dir: "node/contract", pure: true, local: []string{"machine", "node/slot"}},
	{dir: "node/schema", pure: true, local: []string{"node/codec"}},
	{dir: "node/wire", pure: true, local: []string{
		"node/codec", "node/contract", "node/merkle", "node/schema", "node/slot", "node/voting",
	}},
	{dir: "node/step", pure: true, local: []string{
		"node/codec", "node/contract", "node/hlc", "node/invariant", "node/merkle", "node/schema", "node/slot",
		"node/swim", "node/voting", "node/wire",
	}},
	{dir: "node/quorum", pure: true, local: []string{
		"node/codec", "node/contract", "node/slot", "node/step", "node/wire",
	}},
	{dir: "node/register", pure: true, local: []string{
		"node/codec", "node/contract", "node/schema", "node/slot", "node/step", "node/wire",
	}},
	{dir: "node/replication", pure: true,
		local: []string{"node/contract", "node/slot", "node/step", "node/swim", "node/wire"}},
	// contract: the store to read.
	{dir: "node/voting", pure: true, local: []string{"node/codec", "node/contract", "node/schema", "node/slot"}},
	// swim and hlc: for the types of identities and timestamps.
	{dir: "node/slot", pure: true, local: []string{"node/codec", "node/hlc", "node/invariant", "node/swim"}},
	{dir: "node/hlc", pure: true}, {dir: "node/merkle", pure: true}, {dir: "node/swim", pure: true},
	{dir: "node/membership", pure: true, local: []string{
		"node/codec", "node/contract", "node/schema", "node/slot", "node/step", "node/swim", "node/wire",
	}},
	{dir: "node/modes", pure: true, local: []string{"node/codec", "node/contract", "node/schema", "node/step"}},
	{dir: "node/expiry", pure: true, local: []string{
		"node/codec", "node/contract", "node/schema", "node/slot", "node/step",
	}},
	{dir: "node/hearsay", pure: true,
		local: []string{"node/contract", "node/hlc", "node/slot", "node/step", "node/wire"}},
	{dir: "node/view", pure: true, local: []string{"node/conflicts", "node/contract", "node/schema", "node/slot"}},
	{dir: "node/changelog", pure: true, local: []string{"node/codec", "node/contract", "node/schema", "node/step"}},
	{dir: "node/watch", pure: true, local: []string{"node/contract", "node/slot", "node/view"}},
	{dir: "node/tombstones", pure: true, local: []string{
		"node/codec", "node/contract", "node/schema", "node/slot", "node/step", "node/swim", "node/wire",
	}},
	// machines alone.
	{dir: "node/step/steptest", local: []string{"node/*", "sim/memstore"}, others: []string{testify}},
	{dir: "node/storetest", local: []string{"node", "node/slot"}, others: []string{testify}},
	{dir: "node/api", local: []string{"node"}},
	{dir: "node/api/decode", others: []string{"github.com/go-json-experiment/json"}},
	{dir: "node/diagnosis", local: []string{"node/api"}},
	{dir: "node/client", local: []string{"node", "node/slot", "node/api", "node/api/decode"}},
	{dir: "node/client/clienttest", local: []string{"chaos/process"}}, // real nodes, for tests and examples.
	// hlc: timestamps of versions become tokens.
	{dir: "node/client/recipe", local: []string{"node", "node/api", "node/client", "node/hlc", "node/slot"}},
	{dir: "node/client/archive", local: []string{"node/api", "node/api/decode"},
		others: []string{"github.com/klauspost/compress"}}, // zstd.
	// a person's own file is YAML as a node's is.
	{dir: "node/client/profile", others: []string{"go.yaml.in/yaml/v3"}},
	// the histograms.
	{dir: "node/client/load", local: []string{
		"node", "node/slot", "node/api", "node/client",
	}, others: []string{"github.com/HdrHistogram"}},
	{dir: "node/host/budget"}, {dir: "node/daemon"}, {dir: "node/host/journal", others: []string{"golang.org/x/sys"}},
	{dir: "node/host/journal/faultfs", local: []string{"node/host/journal"}},
	{dir: "node/host", local: []string{"node", "node/*", "node/host/*"}},
	// ristretto: badger's mapped files.
	{dir: "node/host/badgerstore", local: []string{"node", "node/slot"}, others: []string{
		"github.com/dgraph-io/badger/v4", "github.com/dgraph-io/ristretto/v2", "golang.org/x/sys",
	}},
	{dir: "node/host/committer", local: []string{"node"}}, {dir: "node/host/store",
		local: []string{"node", "node/host/badgerstore", "node/host/journal"}, others: []string{btree}},
	{dir: "node/host/certs"}, // crypto/tls and crypto/x509 of the standard library, and nothing else.
	// files for the tests of those above.
	{dir: "node/host/certs/certstest", local: []string{"node/host/certs"}, others: []string{testify}},
	{dir: "node/host/access", pure: false}, // rules and hashes: arithmetic, and the randomness of new tokens.
	{dir: "node/host/config", local: []string{
		"node", "node/host/access", "node/slot", "node/swim",
	}, others: []string{"go.yaml.in/yaml/v3"}},
	// sets log files aside.
	{dir: "node/host/logging", local: []string{"node"}, others: []string{"gopkg.in/natefinch/lumberjack.v2"}},
	{dir: "node/host/metrics", local: []string{"node", "node/swim"}, others: []string{"github.com/prometheus"}},
	{dir: "node/host/connections"}, // places and file descriptors: the standard library alone.
	{dir: "node/host/ring", local: []string{"node", "node/recorder"}},
	{dir: "node/host/listing", local: []string{"node", "node/host/access"}},
	{dir: "node/host/rest/etags"}, {dir: "node/host/rest/ranges"}, // headers: the standard library alone.
	{dir: "node/host/rest/browsers", local: []string{"node/api"}, others: []string{"github.com/gofiber/fiber/v2"}},
	{dir: "node/host/rest/console", local: []string{"node/host/rest/etags"},
		others: []string{"github.com/gofiber/fiber/v2"}},
	{dir: "node/host/rest/overview", local: []string{"node/api", "node/diagnosis", "node/host/rest/forwarding"},
		others: []string{"github.com/gofiber/fiber/v2"}},
	{dir: "node/host/rest/forwarding", local: []string{"node/api"},
		others: []string{"github.com/gofiber/fiber/v2", "github.com/valyala/fasthttp"}},
	{dir: "node/host/rest/recordings", local: []string{"node/api"}, others: []string{"github.com/gofiber/fiber/v2"}},
	{dir: "node/host/rest/documents", local: []string{"node", "node/api", "node/swim"}},
	{dir: "node/host/rest/batches", local: []string{"node", "node/slot", "node/api", "node/api/decode",
		"node/host/access"}},
	{dir: "node/host/watching", local: []string{"node", "node/api", "node/watch"}},
	{dir: "node/host/rest", local: []string{"node", "node/slot", "node/api", "node/swim",
		"node/host/access", "node/host/budget", "node/host/connections", "node/host/listing", "node/host/logging",
		"node/host/profiling", "node/host/rest/batches", "node/host/rest/console", "node/host/rest/documents",
		"node/host/rest/etags", "node/host/rest/overview",
		"node/host/rest/browsers", "node/host/rest/forwarding", "node/host/rest/ranges",
		"node/host/rest/recordings", "node/host/watching",
		"node/watch"},
		others: []string{"github.com/gofiber/fiber/v2", "github.com/valyala/fasthttp"}},
	{dir: "node/host/secrets", local: []string{"node/host/access", "node/host/certs", "node/host/seal"}},
	{dir: "node/host/seal"}, // cryptography of the standard library, and nothing else.
	{dir: "node/host/transport", local: []string{"node", "node/host/budget", "node/host/seal"},
		others: []string{"github.com/valyala/fasthttp"}},
	{dir: "chaos", pure: true}, {dir: "chaos/ports"}, {dir: "chaos/process", local: []string{"chaos", "chaos/ports"}},
	{dir: "scenarios/live", local: []string{
		"chaos", "linearize", "scenarios", "scenarios/live/driver", "sim/scenario", "node", "node/slot", "node/api",
		"node/client",
	}},
	// what speaks to a store: HTTP of the standard library, or the client that its makers give.
	{dir: "scenarios/live/driver"},
	{dir: "scenarios/live/driver/drivertest", local: []string{"chaos/ports", "scenarios/live/driver"},
		others: []string{testify}},
	{dir: "scenarios/live/driver/consul", local: []string{"scenarios/live/driver"}},
	{dir: "scenarios/live/driver/etcd", local: []string{"scenarios/live/driver"}},
	{dir: "scenarios/live/driver/rest", local: []string{"scenarios/live/driver"}},
	{dir: "scenarios/live/driver/kvs", local: []string{"scenarios/live/driver", "node", "node/api", "node/client"}},
	{dir: "scenarios/live/driver/nats", local: []string{"scenarios/live/driver"},
		others: []string{"github.com/nats-io/nats.go"}},
	{dir: "scenarios/live/driver/redis", local: []string{"scenarios/live/driver"},
		others: []string{"github.com/redis/go-redis/v9"}},
	// the files of systems are YAML.
	{dir: "scenarios/systems", local: []string{"chaos", "scenarios/live/driver", "scenarios/live/driver/*"},
		others: []string{"go.yaml.in/yaml/v3"}},
	// the engine's API, for tests and for kvsim; kvs does not import it.
	{dir: "chaos/docker", local: []string{"chaos", "chaos/ports"}, others: []string{"github.com/ory/dockertest/v3"}},
	{dir: "integration_test/storm", local: []string{"chaos", "chaos/process", "node", "node/api", "node/client"}},
	{dir: "integration_test"}, // its code is all tests.
	// porcupine's pictures have a time limit, and are files.
	{dir: "linearize", others: []string{"github.com/anishathalye/porcupine"}},
	{dir: "linearize/foreign", pure: true, local: []string{"linearize"}},
	// the files it ships.
	{dir: "scenarios", pure: true, local: []string{
		"chaos", "node", "node/slot", "sim/scenario",
	}, allow: []string{"import embed"}},
	// the folder of a library, and LoadFile.
	{dir: "sim/scenario", pure: true, local: []string{"chaos"}, allow: []string{"import io/fs", "import os"}},
	// it knows no store.
	{dir: "sim", pure: true, local: []string{
		"machine", "chaos", "linearize", "sim/clock", "sim/disk", "sim/hash", "sim/memstore", "sim/pool",
		"sim/scenario", "sim/wiretap",
	},
		allow: []string{"import runtime/debug"}}, // a panic of a machine is a finding, shown with its stack.
	{dir: "sim/kvs", pure: true, local: []string{"sim", "sim/kvs/checks", "sim/kvs/world"}},
	{dir: "sim/kvs/world", pure: true, local: []string{
		"node", "node/*", "node/host/seal", "chaos", "linearize", "scenarios", "sim", "sim/kvs/*", "sim/pool",
		"sim/scenario",
	}},
	{dir: "sim/kvs/checks", pure: true, local: []string{
		"chaos", "node", "node/*", "linearize", "scenarios", "sim", "sim/kvs/*", "sim/scenario",
	}},
	{dir: "sim/kvs/checks/asked", pure: true,
		local: []string{"node", "node/*", "sim", "sim/kvs/member", "sim/kvs/world"}},
	{dir: "sim/kvs/checks/promises", pure: true, local: []string{"node", "node/*", "sim", "sim/kvs/world"}},
	{dir: "sim/kvs/checks/runs", pure: true, local: []string{"node", "node/*", "sim", "sim/kvs/world"}},
	{dir: "sim/kvs/ledger", pure: true, local: []string{"node", "linearize", "scenarios"}},
	// seal is cryptography on values.
	{dir: "sim/kvs/member", pure: true, local: []string{
		"node", "node/host/seal", "node/recorder", "node/wire", "chaos", "sim", "sim/pool",
	}},
	{dir: "sim/kvs/outsider", pure: true, local: []string{"node", "node/*"}},
	{dir: "sim/kvs/explored", pure: true, local: []string{
		"node", "node/*", "linearize", "sim", "sim/explore", "sim/kvs/member", "sim/scenario",
	}},
	// the page it ships.
	{dir: "sim/report", pure: true, local: []string{
		"chaos", "linearize", "sim", "sim/scenario",
	}, allow: []string{"import embed"}},
	{dir: "sim/explore", pure: true, local: []string{"linearize", "machine", "sim", "sim/memstore", "sim/scenario"}},
	{dir: "sim/shrink", pure: true, local: []string{"chaos", "sim/scenario"}},
	// the folder that a list is read from.
	{dir: "sim/mutants", pure: true, allow: []string{"import io/fs"}},
	// the edits it ships.
	{dir: "sim/mutants/list", pure: true, allow: []string{"import embed"}},
	// the scenarios and mutants it ships.
	{dir: "sim/examples/lease", pure: true, local: []string{
		"chaos", "linearize", "sim", "sim/scenario",
	}, allow: []string{"import embed", "import io/fs"}},
	{dir: "sim/examples/lease/leasesim", local: []string{"sim/examples/lease", "sim/simcmd"}},
	{dir: "sim/simtest", local: []string{"sim", "sim/scenario", "sim/shrink", "sim/simcmd"}},
	{dir: "sim/simcmd/process"}, {dir: "sim/simcmd/progress"}, {dir: "sim/simcmd/heap"},
	{dir: "sim/simcmd/document", local: []string{"linearize", "sim", "sim/scenario"}},
	{dir: "sim/simcmd/planted", local: []string{"sim/mutants"}},
	{dir: "sim/simcmd", local: []string{
		"linearize", "linearize/foreign", "sim", "sim/explore", "sim/mutants", "sim/report", "sim/scenario",
		"sim/shrink", "sim/simcmd/*",
	}, others: []string{"github.com/spf13/cobra"}},
	{dir: "sim/clock", pure: true}, {dir: "sim/hash", pure: true}, {dir: "sim/pool", pure: true},
	{dir: "sim/wiretap", pure: true},
	{dir: "sim/disk", pure: true, local: []string{"chaos", "machine", "sim/memstore"}},
	{dir: "sim/memstore", pure: true, local: []string{"machine"}},
	{dir: "cmd/reference", others: []string{"github.com/spf13/cobra"}}, // pages of documentation, for tests alone.
	{dir: "cmd/version"}, {dir: "deploy/image"}, // which release this is, and its image: the standard library alone.
	{dir: "cmd/kvs/watch", local: []string{"cmd/kvs/bulk", "node", "node/api", "node/client"},
		others: []string{"github.com/spf13/cobra"}},
	{dir: "cmd/kvs/bulk", local: []string{"node", "node/api", "node/client", "node/client/archive", "node/slot"},
		others: []string{"github.com/spf13/cobra", "github.com/schollz/progressbar/v3"}}, // bars on terminals.
	// commands that run programs.
	{dir: "cmd/kvs/recipes", local: []string{"cmd/kvs/exit", "node/client", "node/client/recipe", "node/slot"},
		others: []string{"github.com/spf13/cobra"}},
	{dir: "cmd/kvs", local: []string{"*"}, others: []string{"github.com/spf13/cobra"}},
	{dir: "cmd/kvs/exit", pure: true},
	{dir: "cmd/kvs/ops", local: []string{"cmd/kvs/exit", "cmd/version", "node/api", "node/client", "node/daemon",
		"node/diagnosis", "node/hashed", "node/recorder",
		"node/host/certs", "node/host/config", "node/host/ring"}, others: []string{"github.com/spf13/cobra"}},
	{dir: "cmd/kvs/supervisor", others: []string{"github.com/coreos/go-systemd/v22/daemon"}},
	{dir: "node/host/profiling"}, {dir: "node/host/slack", others: []string{"golang.org/x/sys"}},
	{dir: "cmd/kvsim", local: []string{"*"}, others: []string{"github.com/spf13/cobra"}},
}

const (
	module         = "kvs"
	testify, btree = "github.com/stretchr/testify", "github.com/tidwall/btree"
)

// Calls and imports that would let the world in. Patterns ending in a dot ban a whole package.
var (
	bannedImports = []string{
		"context", "crypto/rand", "hash/maphash", "io/fs", "io/ioutil", "log", "log/slog", "math/rand", "net", "os",
		"embed",
		"path/filepath", "reflect", "runtime", "sync", "syscall", "testing", "unique", "unsafe", "weak",
	}
	bannedCalls = map[string][]string{
		"time": {
			"Now", "Since", "Until", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker", "Timer", "Ticker", "Sleep",
			"Local", "LoadLocation",
		},
		"fmt":  {"Print", "Printf", "Println", "Scan", "Scanf", "Scanln"},
		"iter": {"Pull", "Pull2"}, // a coroutine.
		"math/rand/v2": {
			"Int", "IntN", "Int32", "Int32N", "Int64", "Int64N", "Uint", "UintN", "Uint32", "Uint32N", "Uint64",
			"Uint64N", "N",
			"Float32", "Float64", "NormFloat64", "ExpFloat64", "Perm", "Shuffle",
		},
		"maps": {"All", "Keys", "Values"}, // unless sorted at once.
	}
)
