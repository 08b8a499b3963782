package host

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"kvs/node/api"
	"kvs/node/host/config"
	"kvs/node/host/logging"
	"kvs/node/host/rest"
)

// auditLog records each request with its sender.
type auditLog struct {
	file   *logging.File
	all    bool
	logger *slog.Logger
	failed atomic.Int64 // when a failure was logged last, in seconds.
}

// openAudit opens the audit log, if the configuration names one.
func (h *Host) openAudit(undo *cleanup) error {
	if h.cfg.Audit.File == "" {
		return nil
	}
	f, err := logging.OpenFile(logging.FileOptions{Path: h.cfg.Audit.File, BytesMax: int64(h.cfg.Log.BytesMax),
		FilesMax: h.cfg.Log.FilesMax})
	if err != nil {
		return err
	}
	undo.add(f.Close)
	h.audit = &auditLog{file: f, all: h.cfg.Audit.What == config.AuditAll, logger: h.logger}
	return nil
}

// auditComplaints is the time, in seconds, between two lines of the log about an audit log that cannot be written.
const auditComplaints = 10

func (a *auditLog) write(e rest.Audited) {
	if !a.all && !e.Admin && e.Code != api.NoCredentials && e.Code != api.NotAllowed {
		return
	}
	line, err := json.Marshal(e)
	if err == nil {
		_, err = a.file.Write(append(line, '\n'))
	}
	now := time.Now().Unix()
	if last := a.failed.Load(); err != nil && now-last >= auditComplaints && a.failed.CompareAndSwap(last, now) {
		a.logger.Error("the audit log cannot be written: requests go on being answered", "error", err)
	}
}

// openAdminDoor opens the listener for monitoring.
func (h *Host) openAdminDoor(undo *cleanup) error {
	if h.cfg.AdminListen == "" {
		return nil
	}
	l, err := net.Listen("tcp", h.cfg.AdminListen)
	if err != nil {
		return fmt.Errorf("%s: admin_listen %s: %w: choose another address, or leave it out", h.cfg.File,
			h.cfg.AdminListen, err)
	}
	h.admin = h.server.ServeAdmin(l)
	undo.add(h.admin.Close)
	return nil
}
