package foreign

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/linearize"
)

// lines makes a history.edn of events in short: process, type, f and value.
func lines(events ...string) string {
	var b strings.Builder
	for i, e := range events {
		w := strings.SplitN(e, " ", 4)
		fmt.Fprintf(&b, "{:type :%s, :f :%s, :value %s, :process %s, :time %d, :index %d}\n", w[1], w[2], w[3], w[0],
			7*i, i)
	}
	return b.String()
}

func TestJepsen(t *testing.T) {
	for _, c := range []struct {
		name, model string
		file        string
		want        linearize.Verdict
		ops         []string // as they are printed.
	}{
		{"register", "cas-register",
			lines("0 invoke read nil", "0 ok read nil", "0 invoke write 3", "1 invoke cas [3 4]", "0 ok write 3",
				"1 ok cas [3 4]", ":nemesis info start nil", "0 invoke read nil", "0 ok read 4"),
			linearize.Linearizable,
			[]string{`get "r" -> absent`, `put "r" "3" -> ok`, `cas "r" "4" if "3" -> ok`, `get "r" -> "4"`}},
		{"stale", "cas-register", lines("0 invoke write 1", "0 ok write 1", "0 invoke write 2", "0 ok write 2",
			"1 invoke read nil", "1 ok read 1"),
			linearize.Violation, nil},
		{"unknown write seen late", "cas-register",
			lines("0 invoke write 1", "0 info write 1", "1 invoke read nil", "1 ok read nil",
				"1 invoke read nil", "1 ok read 1"), linearize.Linearizable,
			[]string{`put "r" "1" -> unknown`, `get "r" -> absent`, `get "r" -> "1"`}},
		{"never ended", "cas-register", lines("0 invoke write 1", "1 invoke read nil", "1 ok read 1"),
			linearize.Linearizable, nil},
		{"writes of nil", "register",
			lines("0 invoke write 1", "0 ok write 1", "0 invoke cas [1 nil]", "0 ok cas [1 nil]",
				"0 invoke write nil", "0 ok write nil", "0 invoke cas [nil 2]", "0 ok cas [nil 2]"),
			linearize.Linearizable,
			[]string{`put "r" "1" -> ok`, `cas_delete "r" if "1" -> ok`, `delete "r" -> ok`,
				`cas "r" "2" if absent -> ok`}},
		{"values of two kinds", "cas-register",
			lines(`0 invoke write "1"`, `0 ok write "1"`, "0 invoke read nil", "0 ok read 1"),
			linearize.Violation, nil},
		{"keys", "cas-register", lines(`0 invoke read ["a" nil]`, `0 ok read ["a" nil]`, "1 invoke cas [7 [1 2]]",
			"1 fail cas [7 [1 2]]",
			"1 invoke write [7 1]", "1 ok write [7 1]", "0 invoke read [7 nil]", "0 ok read [7 1]"),
			linearize.Linearizable,
			[]string{`get "a" -> absent`, `cas "7" "2" if "1" -> fail`, `put "7" "1" -> ok`, `get "7" -> "1"`}},
		{"set", "set", lines("0 invoke add 1", "1 invoke add 2", "0 ok add 1", "1 info add 2", "0 invoke read nil",
			"0 ok read #{1 2}",
			"0 invoke remove 1", "0 ok remove 1", "0 invoke read nil", "0 ok read (2)"), linearize.Linearizable,
			[]string{`add "r" "1" -> ok`, `add "r" "2" -> unknown`, `get "r" -> ["1" "2"]`, `remove "r" "1" -> ok`,
				`get "r" -> ["2"]`}},
		{"set that loses", "set", lines("0 invoke add 1", "0 ok add 1", "0 invoke read nil", "0 ok read #{}"),
			linearize.Violation, nil},
		{"queue", "queue", lines("0 invoke enqueue 1", "0 ok enqueue 1", "0 invoke enqueue 2", "0 ok enqueue 2",
			"1 invoke dequeue nil",
			"1 ok dequeue 1", "1 invoke dequeue nil", "1 fail dequeue nil", "2 invoke drain nil", "2 ok drain [2]"),
			linearize.Linearizable,
			[]string{`enqueue "r" "1" -> ok`, `enqueue "r" "2" -> ok`, `dequeue "r" -> "1"`, `dequeue "r" -> fail`,
				`dequeue "r" -> "2"`}},
		{"queue, drained of two", "queue",
			lines("0 invoke enqueue 1", "0 ok enqueue 1", "0 invoke enqueue 2", "1 invoke drain nil",
				"0 ok enqueue 2", "1 ok drain [1 2]", "0 invoke dequeue nil", "0 ok dequeue nil"),
			linearize.Linearizable,
			[]string{`enqueue "r" "1" -> ok`, `enqueue "r" "2" -> ok`, `dequeue "r" -> "1"`, `dequeue "r" -> "2"`,
				`dequeue "r" -> absent`}},
		{"queue out of order", "queue",
			lines("0 invoke enqueue 1", "0 ok enqueue 1", "0 invoke enqueue 2", "0 ok enqueue 2",
				"1 invoke dequeue nil", "1 ok dequeue 2"), linearize.Violation, nil},
		{"append", "list", lines("0 invoke append 1", "0 ok append 1", "0 invoke read nil", "0 ok read [1]"),
			linearize.Linearizable,
			[]string{`append "r" "1" -> ok`, `get "r" -> ["1"]`}},
		{"list-append of Elle", "list",
			lines("0 invoke txn [[:append 5 1]]", "0 ok txn [[:append 5 1]]", "1 invoke txn [[:append 5 2]]",
				"1 info txn [[:append 5 2]]", "0 invoke txn [[:r 5 nil]]", "0 ok txn [[:r 5 [1 2]]]",
				"2 invoke txn [[:r 6 nil]]", "2 fail txn nil"),
			linearize.Linearizable, []string{`append "5" "1" -> ok`, `append "5" "2" -> unknown`,
				`get "5" -> ["1" "2"]`, `get "6" -> fail`}},
		{"list-append, lost", "list",
			lines("0 invoke txn [[:append 5 1]]", "0 ok txn [[:append 5 1]]", "0 invoke txn [[:r 5 nil]]",
				"0 ok txn [[:r 5 nil]]"), linearize.Violation, nil},
		{"a vector, tags and comments", "cas-register", "; a test\n[#jepsen.history.Op{:process 0, :type :invoke, :f " +
			":read, :value nil}\n" +
			"#_ignored {:process 0, :type :ok, :f :read, :value nil}]", linearize.Linearizable,
			[]string{`get "r" -> absent`}},
	} {
		h, err := Read(strings.NewReader(c.file), Options{Format: Jepsen})
		require.NoError(t, err, c.name)
		require.Equal(t, c.model, h.Model, c.name)
		res := linearize.Check(h, linearize.Options{})
		require.Equal(t, c.want, res.Verdict, "%s: %s", c.name, res.Summary())
		if c.ops != nil {
			var got []string
			for i := range h.Ops {
				got = append(got, h.Ops[i].String())
			}
			require.Equal(t, c.ops, got, c.name)
		}
		var b strings.Builder
		require.NoError(t, linearize.Write(&b, h), c.name)
	}
}

// Whether a failed compare-and-set tells something can change the verdict.
func TestFailedCompareAndSet(t *testing.T) {
	file := lines("0 invoke write 1", "0 ok write 1", "0 invoke cas [1 2]", "0 fail cas [1 2]")
	etcd := "INFO  jepsen.util - 0 :invoke :write 1\nINFO  jepsen.util - 0 :ok :write 1\n" +
		"INFO  jepsen.util - 0 :invoke :cas [1 2]\nINFO  jepsen.util - 0 :fail :cas [1 2]\n"
	for _, c := range []struct {
		file string
		o    Options
		want linearize.Verdict
	}{
		{file, Options{Format: Jepsen}, linearize.Linearizable},
		{file, Options{Format: Jepsen, FailedCAS: NotHappened}, linearize.Linearizable},
		{file, Options{Format: Jepsen, FailedCAS: ConditionFalse}, linearize.Violation},
		{etcd, Options{Format: Porcupine}, linearize.Violation},
		{etcd, Options{Format: Porcupine, FailedCAS: NotHappened}, linearize.Linearizable},
	} {
		h, err := Read(strings.NewReader(c.file), c.o)
		require.NoError(t, err)
		require.Equal(t, c.want, linearize.Check(h, linearize.Options{}).Verdict, c.o)
	}
}

// What is not understood is an error with its line.
func TestReadRefuses(t *testing.T) {
	for _, c := range []struct{ name, file, want string }{
		{"not EDN", "{:process 0", "line 1: the text ends within what begins on line 1"},
		{"no map", "7", `line 1: "7" is no operation: it has no :process and :type`},
		{"no type", "{:process 0, :f :read}", "is no operation"},
		{"unknown operation", lines("0 invoke jump 1"), `line 1: unknown operation "jump": a register has :read`},
		{"operation of another model", lines("0 invoke add 1", "1 invoke cas [1 2]"),
			"line 2: a set has no operation :cas, and the history is one of a set"},
		{"unknown type", lines("0 invoke write 1", "0 done write 1"), "line 2: unknown type :done"},
		{"two at once", lines("0 invoke write 1", "0 invoke write 2"),
			"line 2: process 0 begins an operation before its last one has ended"},
		{"end of nothing", lines("0 ok write 1"), "line 1: process 0 ends an operation that it has not begun"},
		{"long transaction", lines("0 invoke txn [[:r 1 nil] [:r 2 nil]]"),
			"line 1: " + `"[[:r 1 nil] [:r 2 nil]]": only transactions of one operation`},
		{"write in a transaction", lines("0 invoke txn [[:w 1 2]]"), "line 1: unknown operation :w in a transaction"},
		{"drain of unknown outcome", lines("0 invoke drain nil", "0 info drain nil"),
			"line 2: a drain of unknown outcome"},
		{"key is missing", lines("0 invoke read [1 nil]", "0 ok read 3"),
			`line 2: "3" is no key and value, as others are`},
		{"set that is none", lines("0 invoke add 1", "0 ok add 1", "0 invoke read nil", "0 ok read 1"),
			`line 4: "1" is no list of all elements`},
		{"nothing for nothing", lines("0 invoke cas [nil nil]"), "line 1: a :cas from nil to nil changes nothing"},
	} {
		_, err := Read(strings.NewReader(c.file), Options{Format: Jepsen})
		require.ErrorContains(t, err, c.want, c.name)
	}
	for _, c := range []struct{ name, file, want string }{
		{"another log", "hello\n", `line 1 is no line of a log of Jepsen: "hello"`},
		{"no value", "INFO  jepsen.util - 0 :invoke :write [1\n", "line 1: \"[1\" is no value"},
		{"no key", `{:process 0, :type :invoke, :f :get, :value nil}`, "is no operation on a key"},
		{"unknown operation", `{:process 0, :type :invoke, :f :jump, :key "1", :value nil}`,
			`line 1: unknown operation "jump": use get, put or append`},
		{"empty value", `{:process 0, :type :invoke, :f :put, :key "1", :value ""}`, "line 1: put of the empty string"},
		{"unknown type", `{:process 0, :type :fail, :f :put, :key "1", :value "a"}`,
			`line 1: unknown type "fail": use invoke or ok`},
	} {
		_, err := Read(strings.NewReader(c.file), Options{Format: Porcupine})
		require.ErrorContains(t, err, c.want, c.name)
	}
	_, err := Read(strings.NewReader(""), Options{Format: "csv"})
	require.ErrorContains(t, err, `the format "csv" is unknown: use jepsen or porcupine`)
	_, err = Read(strings.NewReader(""), Options{Format: Jepsen, FailedCAS: "luck"})
	require.ErrorContains(t, err, `a failed compare-and-set means condition-false or not-happened, not "luck"`)
}

func TestEDN(t *testing.T) {
	for in, want := range map[string]string{
		`nil true -3 4.5M 12N foo/bar`:          `nil true -3 4.5M 12N foo/bar`,
		`[1, (2 #{4 3}) {:a "x\ty\"\\\u00e9"}]`: `[1 [2 #{3 4}] {:a "x\ty\"\\é"}]`,
		`\a \newline \( #inst "2024" #_ 1 2`:    `\a \newline \( "2024" 2`,
		"[1 #_ 2] {#_ 3} #_ 4":                  "[1] {}",
		"1 ; two 2\n3 #_ #_ 4 5 6":              "1 3 6",
	} {
		forms, err := parseEDN([]byte(in))
		require.NoError(t, err, in)
		require.Equal(t, want, strings.Join(texts(forms), " "), in)
	}
	for in, want := range map[string]string{
		"]":                      "line 1: ] closes nothing",
		"\n[1":                   "line 2: the text ends within what begins on line 2",
		"{1}":                    "a map has a key without a value",
		`"a`:                     "the text ends within the string that begins on line 1",
		`"\q"`:                   `\q means nothing in a string`,
		`"\ud800"`:               `\ud800 is no character`,
		"# 1":                    "# stands alone",
		"#tag":                   "nothing follows a tag",
		"1 #_":                   "nothing follows #_",
		"\xff":                   "not valid UTF-8",
		strings.Repeat("[", 200): "more than 100 collections within each other",
	} {
		_, err := parseEDN([]byte(in))
		require.ErrorContains(t, err, want, in)
	}
}

// What was read prints in a way that reads as the same again, and nothing panics.
func FuzzRead(f *testing.F) {
	f.Add(lines("0 invoke read nil", "0 ok read nil", "0 invoke write 3", "1 invoke cas [3 4]", "0 ok write 3",
		"1 fail cas [3 4]"))
	f.Add(lines("0 invoke enqueue [1 #{2}]", "0 info enqueue [1 #{2}]", "1 invoke drain nil", "1 ok drain [[1 #{2}]]"))
	f.Add(lines("0 invoke txn [[:append 5 1]]", "0 ok txn [[:append 5 1]]", "0 invoke txn [[:r 5 nil]]",
		"0 ok txn [[:r 5 [1]]]"))
	f.Add("INFO  jepsen.util - 0 :invoke :write 1\nINFO  jepsen.util - 0 :info :write :timed-out\n")
	f.Add(`{:process 0, :type :invoke, :f :put, :key "1", :value "x\n"} ` +
		`{:process 0, :type :ok, :f :put, :key "1", :value "x\n"}`)
	f.Add(`#_ #a [\a ; b` + "\n" + `"\u00e9"]`)
	f.Fuzz(func(t *testing.T, text string) {
		for _, format := range []Format{Jepsen, Porcupine} {
			if h, err := Read(strings.NewReader(text), Options{Format: format}); err == nil {
				var b strings.Builder
				require.NoError(t, linearize.Write(&b, h))
			}
		}
		forms, err := parseEDN([]byte(text))
		if err != nil {
			return
		}
		for _, form := range forms {
			again, err := parseEDN([]byte(form.String()))
			require.NoError(t, err, form.String())
			require.Len(t, again, 1, form.String())
			require.Equal(t, form.String(), again[0].String())
		}
	})
}
