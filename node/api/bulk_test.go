package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// documents are objects in the forms that a client may send, and some that are no JSON.
var documents = []string{
	`{"op":"put","path":"a/b","value":"text","content_type":"text/plain","ttl":"90m","consistency":"quorum"}`,
	`{"op":"put","path":"a/c","value_base64":"AP8=","if_none_match":["*"],"idempotency_key":"k"}`,
	`{"op":"delete","path":"é","if_match":[]}`, `{"if_match":null}`, `{}`,
	`{ "op" : "put" , "path" : "x" , "value" : "" }`,
	`{"path":"a","path":"b"}`, `{"PATH":"a"}`, `{"else":1}`, `{"value":"\"\\\/\b\f\n\r\t\u00e9\u0000\ud83d\ude00"}`,
	`{"value":"\ud83d"}`, `{"value":"\u12"}`, `{"value":"\x"}`,
	`{"value":"a` + "\n" + `"}`, `{"value":"a\n` + "\t" + `"}`,
	`{"value":"` + "\xff" + `"}`, `{"value":"\n` + "\xff" + `"}`, `{"value":"open`, `{"value":"open\`, `{"value":1}`,
	`{"value_base64":"A"}`, `{"value_base64":""}`, `{"value_base64":"AP8\n="}`, `{"path":"a",}`, `{"path" "a"}`,
	`[`, ``,
	`{"op":"put","path":"a","status":201,"etag":"1-ab","timestamp":"1.0","expires":"2026-12-01T00:00:00Z"}`,
	`{"status":0}`, `{"status":01}`, `{"status":-1}`, `{"status":1.0}`, `{"status":1e2}`, `{"status":12345678901}`,
	`{"problem":{"code":"timeout"},"status":504}`, `{"path":"d/","name":"d/","directory":true}`,
	`{"bytes":7,"value":"x"}`,
	`{"path":"p","name":"p","etag":"e","timestamp":"t","content_type":"c","bytes":1,"expires":"x"}`,
	`{"value_base64":"/w=="}`,
}

// same checks that document means the same, or is the same error, as encoding/json says.
func same(t *testing.T, document string) {
	t.Helper()
	strict := func(text string, into any) error {
		d := json.NewDecoder(strings.NewReader(text))
		d.DisallowUnknownFields()
		return d.Decode(into)
	}
	array := "[" + document + "]"
	if ops, ok := PlainOperations([]byte(array)); ok {
		var want []BatchOperation
		require.NoError(t, strict(array, &want), array)
		require.Equal(t, want, ops, array)
	}
	answer := `{"results":` + array + `,"failed":0}`
	var want BatchResults
	wrong := json.Unmarshal([]byte(answer), &want)
	got, err := DecodeResults([]byte(answer))
	require.Equal(t, wrong, err, answer)
	if err == nil {
		require.Equal(t, want, got, answer)
	}
	if strings.Contains(document, "\n") {
		return
	}
	var entry Entry
	wrong = json.Unmarshal([]byte(document+"\n"), &entry)
	err = DecodeEntries([]byte(document+"\n"), func(e *Entry) error {
		require.Equal(t, &entry, e, document)
		return nil
	})
	require.Equal(t, wrong, err, document)
}

func TestPlainDocuments(t *testing.T) {
	for _, d := range documents {
		same(t, d)
		same(t, d+","+d)
		same(t, d+" x")
	}
	for _, body := range []string{"", "null", "[]", " [ ] ", "[]]", "{}", "[{},]", `[{"op":"put"}`, `["put"]`} {
		ops, ok := PlainOperations([]byte(body))
		require.Equal(t, strings.TrimSpace(strings.ReplaceAll(body, " ", "")) == "[]", ok, body)
		require.Empty(t, ops)
	}
}

func FuzzPlainDocuments(f *testing.F) {
	for _, d := range documents {
		f.Add(d)
	}
	f.Fuzz(same)
}

// Most documents need no encoding/json.
func TestPlainIsTheRule(t *testing.T) {
	for _, value := range []string{"", "text", "line\nline", `{"a":"b"}`, "<é>", "\x00\u2028", "\xff\x00"} {
		op := BatchOperation{Op: BatchPut, Path: "p/" + fmt.Sprintf("%q", value), ContentType: "text/plain", TTL: "1m"}
		op.Text, op.Base64 = SplitValue([]byte(value))
		require.Equal(t, len(value), ValueBytes(op.Text, op.Base64))
		ops := []BatchOperation{op, {Op: BatchDelete, Path: "q", IfMatch: []string{"a", "b"}, IdempotencyKey: "k"},
			{Op: BatchGet, Path: "r", Consistency: "quorum", IfNoneMatch: []string{"*"}}}
		body, err := json.Marshal(ops)
		require.NoError(t, err)
		got, ok := PlainOperations(body)
		require.True(t, ok, string(body))
		require.Equal(t, ops, got)

		size := len(value)
		line, err := json.Marshal(&Entry{Path: "p", Name: "p", ETag: "e", Bytes: &size, Text: op.Text,
			Base64: op.Base64})
		require.NoError(t, err)
		p, e := plain{text: string(line)}, Entry{}
		p.entry(&e, new(string), new(int))
		require.True(t, p.end(), string(line))
		require.Equal(t, value, string(JoinValue(e.Text, e.Base64)))

		answer, err := json.Marshal(BatchResults{Results: []BatchResult{{Op: BatchPut, Path: "p", Status: 201,
			ETag: "e", Timestamp: "t", Consistency: "eventual", Expires: "x"}}})
		require.NoError(t, err)
		a := plain{text: string(answer[len(`{"results":[`):bytes.IndexByte(answer, ']')])}
		a.result(&BatchResult{})
		require.True(t, a.end(), string(answer))
	}
}

// BenchmarkPlainOperations compares both ways to read a batch of the largest number of operations.
func BenchmarkPlainOperations(b *testing.B) {
	ops := make([]BatchOperation, BatchOperationsMax)
	value := strings.Repeat("v", 256)
	for i := range ops {
		ops[i] = BatchOperation{Op: BatchPut, Path: fmt.Sprintf("bench/%08d", i), Text: &value,
			ContentType: ContentTypeBinary}
	}
	body, err := json.Marshal(ops)
	require.NoError(b, err)
	for _, bench := range []struct {
		name string
		run  func()
	}{
		{"plain", func() { _, _ = PlainOperations(body) }},
		{"json", func() { var out []BatchOperation; _ = json.Unmarshal(body, &out) }},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				bench.run()
			}
		})
	}
}
