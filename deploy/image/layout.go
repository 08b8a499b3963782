package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"time"
)

// The archive has the files of an OCI image layout (image-spec v1.1, image-layout.md) and manifest.json, by which
// engines older than Docker 25 find the parts.
const (
	typeIndex    = "application/vnd.oci.image.index.v1+json"
	typeManifest = "application/vnd.oci.image.manifest.v1+json"
	typeConfig   = "application/vnd.oci.image.config.v1+json"
	typeLayer    = "application/vnd.oci.image.layer.v1.tar+gzip"
	nameOfImage  = "org.opencontainers.image.ref.name"
	nameOfDocker = "io.containerd.image.name"
)

type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int               `json:"size"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

type entry struct {
	name    string
	content []byte
	mode    int64
}

func (im *image) archive(o *options) ([]byte, error) {
	plain, err := im.layer(o)
	if err != nil {
		return nil, err
	}
	layer, err := zip(plain)
	if err != nil {
		return nil, err
	}
	config, err := json.Marshal(map[string]any{
		"created": o.created.Format(time.RFC3339), "architecture": o.arch, "os": "linux", "config": im.config,
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{digest(plain)}},
		"history": []any{map[string]any{"created": o.created.Format(time.RFC3339),
			"created_by": "deploy/image"}},
	})
	if err != nil {
		return nil, err
	}
	manifest, err := json.Marshal(map[string]any{"schemaVersion": 2, "mediaType": typeManifest,
		"config": describe(typeConfig, config), "layers": []descriptor{describe(typeLayer, layer)}})
	if err != nil {
		return nil, err
	}
	named := describe(typeManifest, manifest)
	named.Annotations = map[string]string{nameOfImage: o.name, nameOfDocker: o.name}
	index, err := json.Marshal(map[string]any{"schemaVersion": 2, "mediaType": typeIndex,
		"manifests": []descriptor{named}})
	if err != nil {
		return nil, err
	}
	docker, err := json.Marshal([]any{map[string]any{"Config": blob(config), "RepoTags": []string{o.name},
		"Layers": []string{blob(layer)}}})
	if err != nil {
		return nil, err
	}
	return pack(o.created, []entry{
		{"oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`), 0o644},
		{"index.json", index, 0o644},
		{"manifest.json", docker, 0o644},
		{blob(config), config, 0o644}, {blob(layer), layer, 0o644}, {blob(manifest), manifest, 0o644},
	})
}

// layer has the files as the context has them, executable or not.
func (im *image) layer(o *options) ([]byte, error) {
	var entries []entry
	for _, f := range im.files {
		name := filepath.Join(o.context, f.from)
		content, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		info, err := os.Stat(name)
		if err != nil {
			return nil, err
		}
		mode := int64(0o644)
		if info.Mode()&0o100 != 0 {
			mode = 0o755
		}
		entries = append(entries, entry{f.to, content, mode})
	}
	return pack(o.created, entries)
}

func pack(when time.Time, entries []entry) ([]byte, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		header := &tar.Header{Name: e.name, Mode: e.mode, Size: int64(len(e.content)), ModTime: when,
			Format: tar.FormatUSTAR}
		if err := w.WriteHeader(header); err != nil {
			return nil, err
		}
		if _, err := w.Write(e.content); err != nil {
			return nil, err
		}
	}
	err := w.Close()
	return b.Bytes(), err
}

func zip(plain []byte) ([]byte, error) {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(plain); err != nil {
		return nil, err
	}
	err = w.Close()
	return b.Bytes(), err
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}

func blob(b []byte) string { return "blobs/sha256/" + digest(b)[len("sha256:"):] }

func describe(mediaType string, b []byte) descriptor {
	return descriptor{MediaType: mediaType, Digest: digest(b), Size: len(b)}
}
