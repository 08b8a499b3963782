package bulk

import (
	"bytes"
	"encoding/json"

	"kvs/node/api"
)

// entryLine is an entry of a listing with its value, as one line of JSON.
func entryLine(entry *api.Entry) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(entry)
	return b.Bytes(), err
}
