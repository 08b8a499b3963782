package main

import (
	"log/slog"
	"reflect"

	"kvs/node/daemon"
	"kvs/node/host/config"
	"kvs/node/host/logging"
)

// nodeLog is the log of a node that runs in this process. The settings of the log can change while it runs.
type nodeLog struct {
	*slog.Logger
	level *slog.LevelVar
	file  *logging.File // nil: the log goes to the standard error stream.
}

// openNodeLog opens the log of the configuration: in the file that kvs start has chosen, or the standard error stream.
func (a *app) openNodeLog(cfg *config.Config) (*nodeLog, error) {
	format, err := logging.ParseFormat(cfg.Log.Format)
	if err != nil {
		return nil, coded(exitUsage, err)
	}
	l := &nodeLog{level: new(slog.LevelVar)}
	l.level.Set(cfg.SlogLevel())
	path := a.getenv(daemon.LogVariable)
	if path == "" {
		l.Logger = logging.New(a.err, l.level, format)
		return l, nil
	}
	l.file, err = logging.OpenFile(logging.FileOptions{
		Path: path, BytesMax: int64(cfg.Log.BytesMax), FilesMax: cfg.Log.FilesMax, Outputs: []int{1, 2},
	})
	if err != nil {
		return nil, err
	}
	l.Logger = logging.New(l.file, l.level, format)
	return l, nil
}

func (l *nodeLog) close() {
	if l.file != nil {
		_ = l.file.Close() // every line has been handed to the system already.
	}
}

// reload reopens the log's file, and applies the present level of the configuration.
func (l *nodeLog) reload(running *config.Config) {
	if l.file != nil {
		if err := l.file.Reopen(); err != nil {
			l.Error("the log file could not be reopened", "error", err)
		}
	}
	cfg, err := config.Read(running.File)
	if err != nil {
		l.Error("nothing is reloaded: the configuration is wrong, or gone", "error", err)
		return
	}
	level := cfg.SlogLevel()
	l.level.Set(level)
	l.Info("reloaded", "log_level", logging.LevelName(level))
	cfg.Log.Level = running.Log.Level
	if !reflect.DeepEqual(cfg, running) {
		l.Warn("the configuration has changed in more than log.level: the rest takes effect when the node is " +
			"started again")
	}
}
