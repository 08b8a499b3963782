package decode

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/node/api"
)

// documents are objects in the forms that a client may send, and some that are no JSON.
var documents = []string{
	`{"op":"put","path":"a/b","value":"text","content_type":"text/plain","ttl":"90m","consistency":"quorum"}`,
	`{"op":"put","path":"a/c","value_base64":"AP8=","if_none_match":["*"],"idempotency_key":"k"}`,
	`{"op":"delete","path":"é","if_match":[]}`, `{"if_match":null}`, `{"value":null,"path":null}`, `{}`, `null`,
	`{ "op" : "put" , "path" : "x" , "value" : "" }`,
	`{"path":"a","path":"b"}`, `{"PATH":"a"}`, `{"path":"a","Path":"b"}`, `{"else":1}`, `{"path":"a","else":1}`,
	`{"value":"\"\\\/\b\f\n\r\t\u00e9\u0000\ud83d\ude00"}`, `{"value":"\ud83d"}`, `{"value":"\u12"}`,
	`{"value":"\x"}`,
	`{"value":"a` + "\n" + `"}`, `{"value":"a\n` + "\t" + `"}`,
	`{"value":"` + "\xff" + `"}`, `{"value":"\n` + "\xff" + `"}`, `{"value":"open`, `{"value":"open\`, `{"value":1}`,
	`{"value_base64":"A"}`, `{"value_base64":""}`, `{"value_base64":"AP8\n="}`, `{"value_base64":null}`,
	`{"value_base64":"AP9="}`, `{"value_base64":[1,2]}`, `{"path":"a",}`, `{"path" "a"}`, `[`, ``,
	`{"op":"put","path":"a","status":201,"etag":"1-ab","timestamp":"1.0","expires":"2026-12-01T00:00:00Z"}`,
	`{"status":0}`, `{"status":01}`, `{"status":-1}`, `{"status":1.0}`, `{"status":1e2}`, `{"status":12345678901}`,
	`{"status":123456789012345678901}`, `{"status":"1"}`, `{"status":null}`,
	`{"problem":{"code":"timeout"},"status":504}`, `{"problem":{"code":"timeout","new":1}}`,
	`{"path":"d/","name":"d/","directory":true}`, `{"directory":1}`, `{"bytes":7,"value":"x"}`, `{"bytes":null}`,
	`{"path":"p","name":"p","etag":"e","timestamp":"t","content_type":"c","bytes":1,"expires":"x"}`,
	`{"value_base64":"/w=="}`,
}

// same checks that text means the same as it does to encoding/json, or is the same error.
func same[T any](t *testing.T, text string) {
	t.Helper()
	var want, got T
	wrong := json.Unmarshal([]byte(text), &want)
	require.Equal(t, wrong, JSON([]byte(text), &got), text)
	require.Equal(t, want, got, text)

	want, got = *new(T), *new(T)
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	wrong = d.Decode(&want)
	if wrong == nil && strings.TrimSpace(text[d.InputOffset():]) != "" {
		wrong = errors.New("there is more behind the end")
	}
	require.Equal(t, wrong, Strict([]byte(text), &got), text)
	require.Equal(t, want, got, text)
}

func sameInAll(t *testing.T, text string) {
	t.Helper()
	same[api.Entry](t, text)
	same[api.BatchOperation](t, text)
	same[[]api.BatchOperation](t, "["+text+"]")
	same[api.BatchResults](t, `{"results":[`+text+`],"failed":0}`)
	same[api.Listing](t, `{"entries":[`+text+`]}`)
}

func TestMeansWhatItMeansToEncodingJSON(t *testing.T) {
	for _, d := range documents {
		sameInAll(t, d)
		sameInAll(t, d+","+d)
		sameInAll(t, d+" x")
		sameInAll(t, d+"\n")
	}
}

func FuzzJSON(f *testing.F) {
	for _, d := range documents {
		f.Add(d)
	}
	f.Fuzz(sameInAll)
}

// What kvs itself writes is read without encoding/json.
func TestTheRuleIsPlain(t *testing.T) {
	for _, value := range []string{"", "text", "line\nline", `{"a":"b"}`, "<é>", "\x00\u2028", "\xff\x00"} {
		op := api.BatchOperation{Op: api.BatchPut, Path: "p/" + fmt.Sprintf("%q", value), ContentType: "text/plain",
			TTL: "1m"}
		op.Text, op.Base64 = api.SplitValue([]byte(value))
		require.Equal(t, len(value), api.ValueBytes(op.Text, op.Base64))
		reads(t, []api.BatchOperation{op,
			{Op: api.BatchDelete, Path: "q", IfMatch: []string{"a", "b"}, IdempotencyKey: "k"},
			{Op: api.BatchGet, Path: "r", Consistency: "quorum", IfNoneMatch: []string{"*"}}})
		size := len(value)
		reads(t, api.Entry{Path: "p", Name: "p", ETag: "e", Bytes: &size, Text: op.Text, Base64: op.Base64})
	}
	reads(t, api.BatchResults{Failed: 1, Results: []api.BatchResult{
		{Op: api.BatchPut, Path: "p", Status: 201, ETag: "e", Timestamp: "t", Consistency: "eventual", Expires: "x"},
		{Op: api.BatchPut, Path: "q", Status: 503, Problem: &api.Problem{Code: "timeout", Detail: "d"}}}})
}

func reads[T any](t *testing.T, doc T) {
	t.Helper()
	text, err := json.Marshal(doc)
	require.NoError(t, err)
	var got T
	require.True(t, plain(text, &got), string(text))
	require.Equal(t, doc, got)
}

// BenchmarkBatch compares both ways to read a batch of the largest number of operations.
func BenchmarkBatch(b *testing.B) {
	ops := make([]api.BatchOperation, api.BatchOperationsMax)
	value := strings.Repeat("v", 256)
	for i := range ops {
		ops[i] = api.BatchOperation{Op: api.BatchPut, Path: fmt.Sprintf("bench/%08d", i), Text: &value,
			ContentType: api.ContentTypeBinary}
	}
	body, err := json.Marshal(ops)
	require.NoError(b, err)
	for _, bench := range []struct {
		name string
		run  func(*[]api.BatchOperation) error
	}{
		{"decode", func(out *[]api.BatchOperation) error { return Strict(body, out) }},
		{"encoding", func(out *[]api.BatchOperation) error { return json.Unmarshal(body, out) }},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				var out []api.BatchOperation
				require.NoError(b, bench.run(&out))
			}
		})
	}
}
