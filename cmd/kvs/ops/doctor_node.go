package ops

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"kvs/node/host/certs"
	"kvs/node/host/config"
)

const (
	descriptorsAdvised = 65_536
	descriptorsLeast   = 1024
	certificateNotice  = 30 * 24 * time.Hour // before a certificate ends.
	dialPatience       = 2 * time.Second
)

// examineDisk looks at the data folder and the file system that it is in.
func (f *findings) examineDisk(cfg *config.Config) {
	n := len(f.List)
	dir := cfg.DataDir
	info, err := os.Stat(dir)
	for errors.Is(err, fs.ErrNotExist) && dir != filepath.Dir(dir) { // it is made by the first start.
		dir = filepath.Dir(dir)
		info, err = os.Stat(dir)
	}
	switch {
	case err != nil:
		f.Add(problem, "data folder", "give this user the right to read it", "%s", err)
		return
	case !info.IsDir():
		f.Add(problem, "data folder", "set data_dir to a folder", "%s is a file", dir)
		return
	case syscall.Access(dir, 2) != nil: // W_OK.
		f.Add(problem, "data folder", "give it to the user that runs the node", "this user may not write to %s", dir)
	}
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		f.Add(warning, "disk", "", "its free space is not known: %s", err)
		return
	}
	free, low := config.Size(st.Bavail*uint64(st.Bsize)), cfg.Disk.LowWatermark
	switch {
	case free < low:
		f.Add(problem, "disk", "make room, or move data_dir to a larger disk",
			"%s has %s free, and the node is read-only below %s (disk.low_watermark)", dir, roughly(free), roughly(low))
	case free < 2*low:
		f.Add(warning, "disk", "make room soon", "%s has %s free, and the node becomes read-only below %s", dir,
			roughly(free), roughly(low))
	}
	if kind := volatileKinds[int64(st.Type)]; kind != "" {
		f.Add(warning, "disk", "set data_dir to a local disk", "%s is on %s", dir, kind)
	}
	f.WellUnless(n, "data folder and disk")
}

// roughly is a size for people.
func roughly(size config.Size) string {
	if size < 1<<30 {
		return fmt.Sprintf("%.1f MiB", float64(size)/(1<<20))
	}
	return fmt.Sprintf("%.1f GiB", float64(size)/(1<<30))
}

// volatileKinds are file systems that do not keep what was synced (man 2 statfs).
var volatileKinds = map[int64]string{
	0x01021994: "tmpfs: it is lost with the machine's memory",
	0x858458f6: "ramfs: it is lost with the machine's memory",
	0x6969:     "NFS: what an fsync means there is the server's decision",
}

// examineLimits looks at the limit of open files of this user, which a node that it starts has as well.
func (f *findings) examineLimits() {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return
	}
	const do = "raise it: LimitNOFILE=65536 in the unit, or ulimit -n 65536"
	switch {
	case l.Max < descriptorsLeast:
		f.Add(problem, "open files", do, "a process may open %d files: too few for clients, members and the store",
			l.Max)
	case l.Max < descriptorsAdvised:
		f.Add(warning, "open files", do,
			"a process may open %d files; with less than %d the node takes fewer connections", l.Max,
			descriptorsAdvised)
	default:
		f.WellUnless(len(f.List), "open files")
	}
}

// examineCertificates looks at the files of TLS, as the node reads them.
func (f *findings) examineCertificates(cfg *config.Config, now time.Time) {
	n := len(f.List)
	if !cfg.TLS.On() {
		if host, _, err := net.SplitHostPort(cfg.Listen); err == nil && !loopback(host) {
			f.Add(warning, "security", "docs/security.md: kvs init --secure makes what is needed",
				"the node listens on %s without TLS: each program that reaches it can read and write everything",
				cfg.Listen)
		}
		return
	}
	if info, err := os.Stat(cfg.TLS.Key); err == nil && info.Mode().Perm()&0o077 != 0 {
		f.Add(warning, "certificates", "chmod 600 "+cfg.TLS.Key, "others may read the private key %s", cfg.TLS.Key)
	}
	for _, file := range []string{cfg.TLS.Cert, cfg.TLS.CA} {
		content, err := os.ReadFile(file)
		var all []*x509.Certificate
		if err == nil {
			all, err = certs.CertificatesIn(content)
		}
		if err != nil {
			f.Add(problem, "certificates", "kvs init --secure and kvs cert make these files", "%s: %s", file, err)
			continue
		}
		for _, c := range all {
			left := c.NotAfter.Sub(now)
			switch {
			case left <= 0:
				f.Add(problem, "certificates", "docs/security.md: renew it, and send SIGHUP",
					"%s: %s has ended on %s", file, c.Subject.CommonName, c.NotAfter.UTC().Format(time.DateOnly))
			case left < certificateNotice:
				f.Add(warning, "certificates", "docs/security.md: renew it, and send SIGHUP", "%s: %s ends on %s", file,
					c.Subject.CommonName, c.NotAfter.UTC().Format(time.DateOnly))
			}
		}
	}
	f.WellUnless(n, "certificates")
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// examineSeeds resolves the seeds, and connects to them.
func (f *findings) examineSeeds(ctx context.Context, cfg *config.Config) {
	n, answered, others := len(f.List), 0, 0
	for _, seed := range cfg.Seeds {
		if seed == cfg.Advertise || seed == cfg.Listen {
			continue
		}
		others++
		host, _, err := net.SplitHostPort(seed)
		if err != nil {
			continue // the configuration would have been refused.
		}
		ctx, cancel := context.WithTimeout(ctx, dialPatience)
		if _, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host); err != nil {
			f.Add(problem, "seeds", "correct seeds in the configuration, or the name service",
				"%s does not resolve: %s", seed, err)
		} else if conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", seed); err != nil {
			f.Add(warning, "seeds", "start that node, or open its port (TCP and UDP)", "%s does not answer: %s", seed,
				err)
		} else {
			answered++
			_ = conn.Close()
		}
		cancel()
	}
	if others > 0 && answered == 0 {
		f.Add(problem, "seeds", "one that answers is enough to join", "none of %d answers", others)
	}
	if others > 0 {
		f.WellUnless(n, "seeds")
	}
}
