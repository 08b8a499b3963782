package badgerstore

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
)

// badgerLogger hands Badger's messages to slog. Badger's information is logged at debug level.
type badgerLogger struct{ to *slog.Logger }

func (l badgerLogger) log(level slog.Level, format string, args []any) {
	if l.to.Enabled(context.Background(), level) {
		l.to.Log(context.Background(), level, "badger: "+strings.TrimSpace(fmt.Sprintf(format, args...)))
	}
}

// Errorf implements badger.Logger.
func (l badgerLogger) Errorf(format string, args ...any) { l.log(slog.LevelError, format, args) }

// Warningf implements badger.Logger.
func (l badgerLogger) Warningf(format string, args ...any) { l.log(slog.LevelWarn, format, args) }

// Infof implements badger.Logger.
func (l badgerLogger) Infof(format string, args ...any) { l.log(slog.LevelDebug, format, args) }

// Debugf implements badger.Logger. Badger calls it several times in every write.
func (badgerLogger) Debugf(string, ...any) {}
