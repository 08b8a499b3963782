package foreign

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"

	"kvs/linearize"
)

// readPorcupine reads one of the two formats of porcupine's test_data.
func readPorcupine(b []byte, refused FailedCAS) (*linearize.History, error) {
	if bytes.HasPrefix(bytes.TrimSpace(b), []byte("{")) {
		return readKV(b)
	}
	return readEtcd(b, refused)
}

var (
	etcdLine  = regexp.MustCompile(`^INFO\s+jepsen\.util\s+-\s+(\S+)\s+:(invoke|ok|fail|info)\s+:(\S+)\s+(\S.*?)\s*$`)
	otherLine = regexp.MustCompile(`^\s*$|^(?:INFO|WARN)\s+jepsen\.`)
)

// readEtcd reads the log of a test of one register of etcd. Lines of the log that are about something else are skipped.
func readEtcd(b []byte, refused FailedCAS) (*linearize.History, error) {
	e := newEvents("porcupine")
	e.h.Model = linearize.CASRegister.Name()
	j := jepsen{events: e, refused: refused, model: linearize.CASRegister}
	for n, line := range strings.Split(string(b), "\n") {
		m := etcdLine.FindStringSubmatch(line)
		switch {
		case m == nil && otherLine.MatchString(line), m != nil && m[1] == ":nemesis":
			continue
		case m == nil:
			return nil, fmt.Errorf("line %d is no line of a log of Jepsen: %.60q", n+1, line)
		}
		value := form{kind: ednNil}
		if m[4] != ":timed-out" {
			forms, err := parseEDN([]byte(m[4]))
			if err != nil || len(forms) != 1 {
				return nil, fmt.Errorf("line %d: %.60q is no value", n+1, m[4])
			}
			value = forms[0]
		}
		ev := event{process: m[1], status: m[2], f: m[3], value: value}
		if err := j.add(&ev); err != nil {
			return nil, fmt.Errorf("line %d: %w", n+1, err)
		}
	}
	return &e.h, nil
}

var kvKinds = map[string]linearize.Kind{"get": linearize.Get, "put": linearize.Put, "append": linearize.Append}

// readKV reads the log of a store with get, put and append, in which a path without a value shows the empty string.
func readKV(b []byte) (*linearize.History, error) {
	forms, err := parseEDN(b)
	if err != nil {
		return nil, err
	}
	e := newEvents("porcupine")
	e.h.Model = linearize.Register.Name()
	for _, f := range forms {
		process, key, value := f.get("process").String(), f.get("key"), f.get("value")
		if f.kind != ednMap || key.kind != ednString || value.kind != ednString && value.kind != ednNil {
			return nil, fmt.Errorf("line %d: %.60q is no operation on a key", f.line, f.String())
		}
		err := func() error {
			what := f.get("f").text
			kind, known := kvKinds[what]
			switch t := f.get("type").text; {
			case !known:
				return fmt.Errorf("unknown operation %q: use get, put or append", what)
			case t == "invoke" && kind != linearize.Get && value.text == "":
				return fmt.Errorf("%s of the empty string, which looks like no value", what)
			case t == "invoke" && kind == linearize.Get:
				return e.begin(process, linearize.Op{Kind: kind, Path: pathOf(key.text)})
			case t == "invoke":
				return e.begin(process, linearize.Op{Kind: kind, Path: pathOf(key.text), Input: value.text})
			case t != "ok":
				return fmt.Errorf("unknown type %q: use invoke or ok", t)
			}
			op, err := e.end(process, linearize.OK)
			if err == nil && kind == linearize.Get {
				op.Found, op.Output = value.text != "", value.text
			}
			return err
		}()
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", f.line, err)
		}
		e.now++
	}
	return &e.h, nil
}

// pathOf is a key as a path, which must not be empty.
func pathOf(key string) string {
	if key == "" {
		return `""`
	}
	return key
}
