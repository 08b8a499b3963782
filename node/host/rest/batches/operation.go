package batches

import (
	"strings"

	"kvs/node"
	"kvs/node/api"
	"kvs/node/host/access"
	"kvs/node/slot"
)

// Bounds of one operation, as in requests.
const (
	conditionVersionsMax   = 64
	idempotencyKeyBytesMax = 255
)

// right is what the sender of an operation needs.
func right(op *api.BatchOperation) access.Right {
	if op.Op == api.BatchGet {
		return access.Read
	}
	return access.Write
}

// request checks an operation and makes the node's request of it. The request owns its value.
func request(op *api.BatchOperation, l Limits) (*node.Request, error) {
	r := &node.Request{Path: op.Path, Level: l.Level}
	switch op.Op {
	case api.BatchGet:
		r.Op = node.OpGet
	case api.BatchPut:
		r.Op = node.OpPut
	case api.BatchDelete:
		r.Op = node.OpDelete
	default:
		return nil, refuse(api.BadBody, "op %.100q: want get, put or delete", op.Op)
	}
	if err := slot.CheckPath(op.Path); err != nil {
		return nil, refuse(api.BadPath, "%v", err)
	}
	if op.Consistency != "" {
		level, err := node.ParseLevel(op.Consistency)
		if err != nil {
			return nil, refuse(api.BadConsistency, "%v", err)
		}
		r.Level = level
	}
	if err := value(op, r, l.ValueBytesMax); err != nil {
		return nil, err
	}
	return r, conditions(op, r)
}

// value puts what a put writes into r.
func value(op *api.BatchOperation, r *node.Request, bytesMax int) error {
	if r.Op != node.OpPut {
		if op.Text != nil || op.Base64 != nil || op.ContentType != "" || op.TTL != "" {
			return refuse(api.BadBody, "a %s has no value, content_type or ttl", op.Op)
		}
		return nil
	}
	if op.Text != nil && op.Base64 != nil {
		return refuse(api.BadBody, "value and value_base64 in one operation: use one of them")
	}
	r.Value, r.ContentType = api.JoinValue(op.Text, op.Base64), op.ContentType
	if len(r.Value) > bytesMax {
		return refuse(api.ValueTooLarge, "the value has %d bytes: this node takes at most %d (value_bytes_max)",
			len(r.Value), bytesMax)
	}
	if len(r.ContentType) > slot.ContentTypeBytesMax {
		return refuse(api.BadBody, "content_type of %d bytes, the limit is %d", len(r.ContentType),
			slot.ContentTypeBytesMax)
	}
	for i := range len(r.ContentType) {
		if b := r.ContentType[i]; b < 0x20 || b > 0x7e {
			return refuse(api.BadBody, "content_type holds the byte 0x%02x", b)
		}
	}
	if op.TTL != "" {
		var err error
		if r.TTL, err = slot.ParseTTL(op.TTL); err != nil {
			return refuse(api.BadBody, "ttl: %v", err)
		}
	}
	return nil
}

// conditions puts condition and idempotency key into r, which is otherwise complete. Both make it linearizable.
func conditions(op *api.BatchOperation, r *node.Request) error {
	tags := op.IfMatch
	switch {
	case op.IfMatch != nil && op.IfNoneMatch != nil:
		return refuse(api.BadBody, "if_match and if_none_match in one operation: use one of them")
	case op.IfMatch != nil:
		r.Condition.Kind = node.IfMatch
	case op.IfNoneMatch != nil:
		r.Condition.Kind, tags = node.IfNoneMatch, op.IfNoneMatch
	}
	conditional := r.Condition.Kind != node.Unconditional
	switch {
	case conditional && (len(tags) == 0 || len(tags) > conditionVersionsMax):
		return refuse(api.BadBody, "a condition of %d ETags: want 1 to %d, or \"*\" for any value", len(tags),
			conditionVersionsMax)
	case (conditional || op.IdempotencyKey != "") && r.Op == node.OpGet:
		return refuse(api.BadBody, "a get has no condition and no idempotency_key")
	case len(op.IdempotencyKey) > idempotencyKeyBytesMax:
		return refuse(api.BadBody, "idempotency_key of %d bytes: at most %d", len(op.IdempotencyKey),
			idempotencyKeyBytesMax)
	}
	for _, tag := range tags {
		if tag == "*" {
			r.Condition.Any = true
		} else if v, err := slot.ParseETag(strings.Trim(tag, `"`)); err == nil {
			r.Condition.Versions = append(r.Condition.Versions, v)
		} // an ETag that no version has matches nothing.
	}
	if conditional || op.IdempotencyKey != "" {
		r.Level = node.Linearizable
	}
	if op.IdempotencyKey != "" {
		r.SetKey([]byte(op.IdempotencyKey))
	}
	return nil
}
