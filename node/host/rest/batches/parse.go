package batches

import (
	"bytes"

	"kvs/node/api"
	"kvs/node/api/decode"
)

const wanted = `want operations such as {"op":"put","path":"a/b","value":"text"}`

// Parse reads the operations of a body: a JSON array, or one operation a line. A body that cannot be read is refused as
// a whole, before anything is run.
func Parse(body []byte, lines bool) ([]api.BatchOperation, error) {
	var ops []api.BatchOperation
	var err error
	if lines {
		ops, err = parseLines(body)
	} else if err = decode.Strict(body, &ops); err != nil {
		err = refuse(api.BadBody, "%v: want an array; %s", err, wanted)
	}
	switch {
	case err != nil:
		return nil, err
	case len(ops) == 0:
		return nil, refuse(api.BadBody, "the batch is empty: %s", wanted)
	case len(ops) > api.BatchOperationsMax:
		return nil, refuse(api.BadBody, "%d operations in a batch: at most %d, send several batches", len(ops),
			api.BatchOperationsMax)
	}
	return ops, nil
}

func parseLines(body []byte) ([]api.BatchOperation, error) {
	var ops []api.BatchOperation
	number := 0
	for line := range bytes.Lines(body) {
		if number++; len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		if len(ops) == api.BatchOperationsMax {
			return nil, refuse(api.BadBody, "line %d: a batch has at most %d operations, send several batches", number,
				api.BatchOperationsMax)
		}
		var op api.BatchOperation
		if err := decode.Strict(line, &op); err != nil {
			return nil, refuse(api.BadBody, "line %d: %v: %s", number, err, wanted)
		}
		ops = append(ops, op)
	}
	return ops, nil
}
