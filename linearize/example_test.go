package linearize_test

import (
	"bytes"
	"fmt"
	"os"
	"strings"

	"kvs/linearize"
)

// A stale read: the put of "2" was acknowledged before the get began.
func ExampleCheck() {
	r := linearize.NewRecorder(linearize.Header{World: "sim", Seed: 42})
	writer, reader := r.NewProcess(), r.NewProcess()

	put := r.Invoke(0, writer, linearize.Op{Kind: linearize.Put, Path: "a", Input: "1", Node: "n1"})
	r.OK(put, 10, linearize.Answer{})
	put = r.Invoke(20, writer, linearize.Op{Kind: linearize.Put, Path: "a", Input: "2", Node: "n1"})
	r.OK(put, 30, linearize.Answer{})
	get := r.Invoke(40, reader, linearize.Op{Kind: linearize.Get, Path: "a", Node: "n2"})
	r.OK(get, 50, linearize.Answer{Found: true, Output: "1"})

	res := linearize.Check(r.Finish(60), linearize.Options{})
	fmt.Println(res.Verdict)
	key := res.Keys[res.Offending]
	fmt.Println(key.Path, key.Evidence.Rule, key.Evidence.Ops)
	lines := strings.NewReplacer(", say ", ",\n  say ", " and ", "\n  and ", "; ", ";\n  ")
	fmt.Println(lines.Replace(key.Evidence.Text))
	// Output:
	// violation
	// a interrupted [0 2 1]
	// "1" was there from 10ns to 40ns,
	//   say operation 0 (put "a" "1" -> ok, process 0 at n1)
	//   and operation 2 (get "a" -> "1", process 1 at n2);
	//   but operation 1 (put "a" "2" -> ok, process 0 at n1) lies wholly between
}

// A write whose outcome is unknown retires its process: it may still happen, so the client goes on as another.
func ExampleRecorder_Info() {
	r := linearize.NewRecorder(linearize.Header{})
	p := r.NewProcess()
	put := r.Invoke(0, p, linearize.Op{Kind: linearize.Put, Path: "a", Input: "1"})
	p = r.Info(put, 1000, "timeout")
	get := r.Invoke(1000, p, linearize.Op{Kind: linearize.Get, Path: "a"})
	r.OK(get, 1010, linearize.Answer{}) // nothing yet ...
	get = r.Invoke(1020, p, linearize.Op{Kind: linearize.Get, Path: "a"})
	r.OK(get, 1030, linearize.Answer{Found: true, Output: "1"}) // ... but now it has happened.
	fmt.Println(p, linearize.Check(r.Finish(1040), linearize.Options{}).Verdict)
	// Output: 1 linearizable
}

// What kvsim check does with a file.
func ExampleJudge() {
	r := linearize.NewRecorder(linearize.Header{World: "process"})
	p := r.NewProcess()
	r.OK(r.Invoke(0, p, linearize.Op{Kind: linearize.Put, Path: "a", Input: "1"}), 10, linearize.Answer{})
	r.OK(r.Invoke(20, p, linearize.Op{Kind: linearize.Get, Path: "a"}), 30, linearize.Answer{Found: true, Output: "1"})
	var file bytes.Buffer
	if err := linearize.Write(&file, r.Finish(40)); err != nil {
		fmt.Println(err)
	}

	res, err := linearize.Judge(&file, os.Stdout, linearize.Options{})
	if err != nil || res.Verdict != linearize.Linearizable {
		fmt.Println("exit with a failure")
	}
	// Output:
	// linearizable: 1 keys (0 violation, 0 undecided), 2 operations (2 ok, 0 fail, 0 info)
	// KEY  VERDICT       RULE  OPERATIONS  OK  FAIL  INFO  SEARCHED  UNIQUE VALUES
	// "a"  linearizable  -     2           2   0     0     0         yes
}
