// Package profile reads the file in which a user keeps the clusters that they use: names, endpoints, and where the
// credentials are.
//
// It reads that file and the files that it names. The file holds no secrets itself, and the package makes no
// connections. Begin with Read, and with Credentials, which works without a file as well.
package profile

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Profile is one cluster, and the credentials to use with it. Paths are absolute once Read has returned them.
type Profile struct {
	Endpoints []string `yaml:"endpoints"`
	// file with the authority of the cluster; empty: the system's, or no TLS when all here is empty.
	CA        string `yaml:"ca"`
	Cert      string `yaml:"cert"`       // file with a certificate, with
	Key       string `yaml:"key"`        // its key; empty: a token is shown, or nothing.
	TokenFile string `yaml:"token_file"` // file with a token.
}

// File is the whole file.
type File struct {
	Current  string             `yaml:"current"` // the profile to use when none is named.
	Clusters map[string]Profile `yaml:"clusters"`
}

// fileBytesMax bounds the file, and any file with a token.
const fileBytesMax = 1 << 20

// Read reads the file at path, in which ~/ begins at the user's home and other relative paths at the file's folder. An
// error that wraps os.ErrNotExist: there is none.
func Read(path string) (*File, error) {
	content, err := readBounded(path)
	if err != nil {
		return nil, err
	}
	var f File
	dec := yaml.NewDecoder(bytes.NewReader(content))
	dec.KnownFields(true)
	if err := dec.Decode(&f); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: %w; want current: NAME and clusters: NAME: {endpoints, ca, cert, key, token_file}",
			path, err)
	}
	dir := filepath.Dir(path)
	for name, p := range f.Clusters {
		for _, file := range []*string{&p.CA, &p.Cert, &p.Key, &p.TokenFile} {
			*file = absolute(dir, *file)
		}
		f.Clusters[name] = p
	}
	return &f, nil
}

// Find returns the profile of this name, or, for "", the current one; ok is false when no profile is current.
func (f *File) Find(name string) (p Profile, ok bool, err error) {
	if name == "" {
		name = f.Current
	}
	if name == "" {
		return Profile{}, false, nil
	}
	p, ok = f.Clusters[name]
	if !ok {
		known := strings.Join(slices.Sorted(maps.Keys(f.Clusters)), ", ")
		return p, false, fmt.Errorf("there is no cluster %q in the profiles; there are: %s", name, known)
	}
	return p, true, nil
}

func absolute(dir, file string) string {
	if rest, ok := strings.CutPrefix(file, "~/"); ok {
		if home, err := os.UserHomeDir(); err == nil {
			return filepath.Join(home, rest)
		}
	}
	if file == "" || filepath.IsAbs(file) {
		return file
	}
	return filepath.Join(dir, file)
}

// Credentials reads what the files of p hold. config is nil when p names neither an authority nor a certificate, token
// is empty when it names none.
func (p *Profile) Credentials() (config *tls.Config, token string, err error) {
	if (p.Cert == "") != (p.Key == "") {
		return nil, "", errors.New("a certificate and its key belong together: give both, or none")
	}
	if p.TokenFile != "" {
		if token, err = readToken(p.TokenFile); err != nil {
			return nil, "", err
		}
	}
	if p.CA == "" && p.Cert == "" {
		return nil, token, nil
	}
	config = &tls.Config{MinVersion: tls.VersionTLS12}
	if p.CA != "" {
		content, err := readBounded(p.CA)
		if err != nil {
			return nil, "", fmt.Errorf("authority: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(content) {
			return nil, "", fmt.Errorf("%s holds no certificate of an authority", p.CA)
		}
	}
	if p.Cert != "" {
		pair, err := tls.LoadX509KeyPair(p.Cert, p.Key)
		if err != nil {
			return nil, "", fmt.Errorf("certificate %s with key %s: %w", p.Cert, p.Key, err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, token, nil
}

// readToken reads a token: one line. A file that others may read is refused, as ssh refuses such keys.
func readToken(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("token: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return "", fmt.Errorf("token: other users of this machine can read %s: chmod 600 it", path)
	}
	content, err := readBounded(path)
	if err != nil {
		return "", fmt.Errorf("token: %w", err)
	}
	token := strings.TrimSpace(string(content))
	if token == "" || strings.ContainsAny(token, " \n\r\t") {
		return "", fmt.Errorf("token: %s does not hold one token", path)
	}
	return token, nil
}

func readBounded(path string) (content []byte, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	content, err = io.ReadAll(io.LimitReader(f, fileBytesMax+1))
	if err == nil && len(content) > fileBytesMax {
		err = fmt.Errorf("%s is larger than %d bytes", path, fileBytesMax)
	}
	return content, err
}
