// Package logging makes the process's log: slog lines as text or JSON. It also writes the log lines that the pure core
// returns as effects.
//
// It is not a log shipper: lines go to one writer, which may be a File, that is set aside when it has become large.
//
// Begin with New; Emit is what the host calls for each node.Log.
package logging

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"kvs/node"
)

// Format is how a line is written.
type Format uint8

// The formats.
const (
	Text Format = iota
	JSON
)

var formatNames = [...]string{"text", "json"}

// String prints the word used in the configuration.
func (f Format) String() string {
	if int(f) < len(formatNames) {
		return formatNames[f]
	}
	return fmt.Sprintf("format(%d)", uint8(f))
}

// ParseFormat reads text or json.
func ParseFormat(s string) (Format, error) {
	for i, name := range formatNames {
		if s == name {
			return Format(i), nil
		}
	}
	return Text, fmt.Errorf("unknown log format %q: use text or json", s)
}

// ParseLevel reads debug, info, warn or error.
func ParseLevel(s string) (slog.Level, error) {
	for _, l := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError} {
		if s == LevelName(l) {
			return l, nil
		}
	}
	return slog.LevelInfo, fmt.Errorf("unknown log level %q: use debug, info, warn or error", s)
}

// LevelName is the name that ParseLevel reads.
func LevelName(l slog.Level) string { return strings.ToLower(l.String()) }

// New returns a logger that writes lines of at least level, which may change (slog.LevelVar), to w, one Write a line.
func New(w io.Writer, level slog.Leveler, format Format) *slog.Logger {
	o := &slog.HandlerOptions{Level: level}
	if format == JSON {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

// NodeLevel is the level below which the core need not make lines for this logger.
func NodeLevel(l *slog.Logger) node.LogLevel {
	for _, level := range []node.LogLevel{node.LogDebug, node.LogInfo, node.LogWarn} {
		if l.Enabled(context.Background(), slog.Level(level)) {
			return level
		}
	}
	return node.LogError
}

// Emit writes one line of the core.
func Emit(l *slog.Logger, line node.Log) {
	l.Log(context.Background(), slog.Level(line.Level), line.Msg, line.Attrs...)
}
