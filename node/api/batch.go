package api

import (
	"strings"
	"unicode/utf8"
)

// PathBatch is where batches are posted.
const PathBatch = "/batch"

// ContentTypeLines is one JSON document a line.
const ContentTypeLines = "application/x-ndjson"

// Bounds of a batch.
const (
	BatchOperationsMax = 128
	BatchBytesMax      = 8 << 20 // of its body, and of the values in its answer.
)

// The operations of a batch.
const (
	BatchGet    = "get"
	BatchPut    = "put"
	BatchDelete = "delete"
)

// BatchOperation is one operation of a batch. The body of POST /batch is an array of them, or one of them a line.
type BatchOperation struct {
	Op          string  `json:"op"` // get, put or delete.
	Path        string  `json:"path"`
	Consistency string  `json:"consistency,omitempty"`  // empty: the node's default.
	Text        *string `json:"value,omitempty"`        // of a put: its value as text,
	Base64      []byte  `json:"value_base64,omitempty"` // or in base64. Without both it is empty.
	ContentType string  `json:"content_type,omitempty"`
	TTL         string  `json:"ttl,omitempty"` // as the header Kvs-TTL.
	// ETags without quotes, or "*" for any value: as the headers If-Match and If-None-Match.
	IfMatch        []string `json:"if_match,omitempty"`
	IfNoneMatch    []string `json:"if_none_match,omitempty"`
	IdempotencyKey string   `json:"idempotency_key,omitempty"`
}

// BatchResult is the answer to one of them. Status is that of the same request sent alone.
type BatchResult struct {
	Op          string   `json:"op"`
	Path        string   `json:"path"`
	Status      int      `json:"status"`
	ETag        string   `json:"etag,omitempty"` // without quotes; of a false condition: what is there instead.
	Timestamp   string   `json:"timestamp,omitempty"`
	Consistency string   `json:"consistency,omitempty"` // the level it was run at.
	Expires     string   `json:"expires,omitempty"`
	ContentType string   `json:"content_type,omitempty"` // of a get, as what follows.
	Text        *string  `json:"value,omitempty"`
	Base64      []byte   `json:"value_base64,omitempty"`
	Problem     *Problem `json:"problem,omitempty"` // nil: it succeeded.
}

// BatchResults are the answers in the order of the operations.
type BatchResults struct {
	Results []BatchResult `json:"results"`
	Failed  int           `json:"failed"` // how many have a problem.
}

// Count is how many values are below a directory, directly or at any depth. With More set it is a part of them, and the
// rest is counted with Next as ?after=.
type Count struct {
	Directory   string `json:"directory"`
	Values      int    `json:"values"`
	Directories int    `json:"directories"`
	Bytes       int64  `json:"bytes"` // of the values.
	More        bool   `json:"more"`
	Next        string `json:"next,omitempty"`
}

// Deletion is how far the deletion of a directory has come. With More set, the rest is deleted with Next as ?after=.
type Deletion struct {
	Directory string        `json:"directory"`
	Deleted   int           `json:"deleted"`
	Failed    []BatchResult `json:"failed"`
	More      bool          `json:"more"`
	Next      string        `json:"next,omitempty"`
}

// SplitValue is how JSON carries a value: as text if it is UTF-8 that JSON keeps as it is, else as bytes in base64.
func SplitValue(value []byte) (text *string, base64 []byte) {
	if !utf8.Valid(value) {
		return nil, value
	}
	s := string(value)
	return &s, nil
}

// JoinValue is the value that SplitValue has split.
func JoinValue(text *string, base64 []byte) []byte {
	if text != nil {
		return []byte(*text)
	}
	return base64
}

// ValueBytes is how many bytes the value has that SplitValue has split.
func ValueBytes(text *string, base64 []byte) int {
	if text != nil {
		return len(*text)
	}
	return len(base64)
}

// ConfirmDirectory is what ?confirm= has to be for the deletion of everything below a directory: the directory itself,
// and "/" for the root.
func ConfirmDirectory(dir string) string {
	return strings.TrimSuffix(dir, "/") + "/"
}
