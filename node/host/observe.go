package host

import (
	"context"
	"time"

	"kvs/node"
	"kvs/node/api"
	"kvs/node/host/badgerstore"
	"kvs/node/host/metrics"
	"kvs/node/host/rest"
)

// observe makes the metrics. Values are read when the metrics are read.
func (h *Host) observe(version string, sizes func() (badgerstore.Sizes, error)) error {
	var err error
	h.metrics, err = metrics.New(metrics.Options{
		Version: version,
		Sample:  h.sample,
		Sizes: func() (metrics.Sizes, error) {
			s, err := sizes()
			return metrics.Sizes{DiskBytes: s.DiskBytes, FreeBytes: s.FreeBytes, Tables: s.Tables}, err
		},
	})
	return err
}

// sample is the node's snapshot with the host's own counters. With an error the snapshot is an old one, or absent.
func (h *Host) sample() (metrics.Sample, error) {
	ctx, cancel := context.WithTimeout(context.Background(), snapshotWait)
	defer cancel()
	st, err := h.Status(ctx)
	t := h.Stats()
	out := metrics.Sample{
		Wall: h.clock.Wall(), InFlight: h.admission.inFlight(),
		CertExpires: h.certExpires(), HandshakesFailed: h.server.HandshakesFailed(),
		Network: metrics.Network{
			DatagramsIn: t.Datagrams.In, DatagramsInOversize: t.Datagrams.InOversize,
			DatagramsInDropped: t.DatagramsDropped,
			DatagramsInRefused: t.Datagrams.InRefused, DatagramsInReplayed: t.DatagramsReplayed,
			DatagramsOut: t.Datagrams.Out, DatagramsOutOversize: t.Datagrams.OutOversize,
			DatagramsUnresolved: t.Datagrams.Unresolved,
			DatagramErrors:      t.Datagrams.Errors, FramesSent: t.Frames.Frames, FramesDropped: t.Frames.Dropped,
			FramesStale: t.Frames.Stale,
			FramesLost:  t.Frames.Lost, FrameBatches: t.Frames.Batches, FrameFailures: t.Frames.Failures,
			FrameBytes:      t.Frames.Bytes,
			FrameQueueBytes: t.Frames.QueueBytes, StreamsOut: t.Frames.Streams, StreamsIn: t.StreamsIn,
		},
	}
	w := h.watchers.Stats()
	out.Watch = metrics.Watch{
		Watchers: w.Watchers, Queued: w.Queued, Changes: w.Changes, Events: w.Events, Snapshots: w.Snapshots,
		Resumed: w.Resumed, Full: w.RefusedFull, Behind: w.CutBehind, TooSlow: w.CutTooSlow,
	}
	out.Recorder = h.recording.numbers()
	r := h.server.Refusals()
	out.RefusedAddress, out.RefusedRate, out.RefusedBodies, out.RefusedConnections = r.Address, r.Rate, r.Bodies,
		r.Connections
	if err == nil {
		out.Status = &st
		out.Uptime = h.clock.Mono() - st.Started
		out.Ready = serves(st.Mode) && !h.isStopping() && h.alone(&st) == ""
	}
	return out, err
}

// serves reports whether a node in this mode serves clients.
func serves(m node.Mode) bool { return m == node.ModeNormal || m == node.ModeReadOnly }

// counter is Metrics as node/host/rest sees it.
type counter struct{ h *Host }

var ops = [...]metrics.Op{rest.OpGet: metrics.OpGet, rest.OpPut: metrics.OpPut, rest.OpDelete: metrics.OpDelete,
	rest.OpList:  metrics.OpList,
	rest.OpWatch: metrics.OpWatch}

func (c counter) Request(op rest.Op, level node.Level, code api.Code, took time.Duration) {
	word := string(code)
	if word == "" {
		word = metrics.OK
	}
	c.h.metrics.Request(ops[op], level, word, took)
}

func (c counter) Text() ([]byte, string, error) {
	text, err := c.h.metrics.Text()
	return text, metrics.ContentType, err
}
