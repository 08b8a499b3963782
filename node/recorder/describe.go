package recorder

import (
	"encoding/binary"
	"fmt"
	"strings"

	"kvs/node"
	"kvs/node/wire"
)

// Describe describes an input in words.
func Describe(in node.Input) string {
	switch in := in.(type) {
	case node.Tick:
		return "a tick"
	case *node.Datagram:
		return fmt.Sprintf("a datagram from %s: %s", in.From, DescribeMessage(in.Data))
	case *node.Frame:
		return "a frame: " + DescribeMessage(in.Data)
	case *node.Persisted:
		if in.Err != nil {
			return fmt.Sprintf("persists up to %d are durable, and then the disk failed: %v", in.UpTo, in.Err)
		}
		return fmt.Sprintf("persists up to %d are durable", in.UpTo)
	case *node.Join:
		return "join " + strings.Join(in.Addrs, ", ")
	case node.Leave:
		return "leave"
	case *node.SetReadOnly:
		return fmt.Sprintf("read-only, for the reason %s: %t", in.Reason, in.On)
	case *node.Remove:
		return fmt.Sprintf("remove member %s, by force: %t", in.ID, in.Force)
	case *node.Watching:
		return fmt.Sprintf("clients watch: %t", in.On)
	case *node.Request:
		return fmt.Sprintf("request %d: %s %q, %s, %d bytes", in.ID, in.Op, in.Path, in.Level, len(in.Value))
	}
	return fmt.Sprintf("%T", in)
}

// DescribeMessage describes a message of a member: its kind, its sender and what it says.
func DescribeMessage(data []byte) string {
	kind, detail := MessageKind(data)
	if from, ok := Sender(data); ok {
		kind += " of " + from.String()
	}
	if detail == "" {
		return kind
	}
	return kind + ", " + detail
}

// Sender is the member in whose name a message was sealed; false: it is cut short.
func Sender(data []byte) (node.ID, bool) {
	if len(data) < wire.EnvelopeBytes {
		return 0, false
	}
	return node.ID(binary.LittleEndian.Uint64(data[10:])), true
}

// DescribeEffect describes the nth effect of a kind (MarkSend and so on), from 0; empty: its mark says all of it.
func DescribeEffect(e *node.Effects, kind byte, nth int) string {
	switch {
	case kind == MarkPersist:
		var lines []string
		for i := range e.Persist.Changes {
			c := &e.Persist.Changes[i]
			if c.Value == nil {
				lines = append(lines, fmt.Sprintf("drop %q", c.Key))
			} else {
				lines = append(lines, fmt.Sprintf("set %q to %d bytes: %s", c.Key, len(c.Value), short(c.Value)))
			}
		}
		return strings.Join(lines, "\n")
	case kind == MarkSend && nth < len(e.Sends):
		return DescribeMessage(e.Sends[nth].Data) + ": " + short(e.Sends[nth].Data)
	case kind == MarkReply && nth < len(e.Replies):
		r := &e.Replies[nth]
		return fmt.Sprintf("%s, %d bytes, version %s: %s", r.Code, len(r.Record.Value), r.Record.TS, r.Detail)
	case kind == MarkLog && nth < len(e.Logs):
		return DescribeLog(&e.Logs[nth])
	case kind == MarkDecision && nth < len(e.Decisions):
		d := &e.Decisions[nth]
		return fmt.Sprintf("%q: %s wins by %s, settled %t", d.Path, d.Decision.Winner, d.Decision.Rule,
			d.Decision.Final)
	}
	return ""
}

// DescribeLog is a log line as text.
func DescribeLog(l *node.Log) string {
	var b strings.Builder
	b.WriteString(l.Msg)
	for i := 0; i+1 < len(l.Attrs); i += 2 {
		fmt.Fprintf(&b, " %v=%v", l.Attrs[i], l.Attrs[i+1])
	}
	return b.String()
}

// short is the beginning of b in hexadecimal.
func short(b []byte) string {
	const bytesMax = 64
	if len(b) > bytesMax {
		return fmt.Sprintf("%x and %d bytes more", b[:bytesMax], len(b)-bytesMax)
	}
	return fmt.Sprintf("%x", b)
}

// MessageKind is the kind of a message, and its fields in words.
func MessageKind(data []byte) (kind, detail string) {
	if len(data) < 2 {
		return "cut short", ""
	}
	return wire.Kind(data[1]).String(), wire.FrameDetail(data)
}
