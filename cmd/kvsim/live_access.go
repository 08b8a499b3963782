package main

import (
	"crypto/tls"
	"errors"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	containers "kvs/chaos/docker"
	"kvs/node/client/profile"
	"kvs/node/host/config"
	"kvs/node/host/secrets"
)

// addAccessFlags adds the flags for access to a cluster.
func (o *liveOptions) addAccessFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.BoolVar(&o.secure, "secure", false,
		"process and docker: with TLS, sealed gossip and tokens, all of which are made for the run")
	f.StringVar(&o.given.Name, "profile", "", "name of the cluster in ~/.kvs/config.yaml (default $"+
		profile.NameVariable+"); without --target its endpoints are the target")
	f.StringVar(&o.given.CA, "ca", "", "a running cluster: file with its authority (default $"+profile.CAVariable+")")
	f.StringVar(&o.given.Cert, "cert", "", "file with your certificate (default $"+profile.CertVariable+")")
	f.StringVar(&o.given.Key, "key", "", "file with its key (default $"+profile.KeyVariable+")")
	f.StringVar(&o.given.TokenFile, "token-file", "",
		"file with your token, which may read, write and list kvsim-live/ (default $"+profile.TokenFileVariable+")")
}

// entry is the clients' access to a cluster.
type entry struct {
	tls   *tls.Config // nil: no TLS.
	token string
}

var errNotMade = errors.New("--profile, --ca, --cert, --key and --token-file are for a running cluster " +
	"(--target host:port,...): for nodes that are started here --secure makes the credentials")

// chooseTarget finds the cluster to use, and the access to a running one.
func (o *liveOptions) chooseTarget(targetGiven bool, getenv func(string) string) error {
	given := o.given
	if o.secure && targetGiven && isEndpoints(o.target) {
		return errors.New("--secure is for nodes that are started here: name the credentials of a running cluster " +
			"with --ca and --token-file, or --profile")
	}
	if !targetGiven && given.Name != "" {
		given.Endpoints = nil
		access, err := given.Access(getenv)
		if err != nil {
			return err
		}
		if len(access.Endpoints) == 0 {
			return errors.New("the profile names no endpoints: give them with --target")
		}
		o.target, o.entry = strings.Join(access.Endpoints, ","), entry{access.TLS, access.Token}
		return nil
	}
	if !isEndpoints(o.target) {
		if given.Name != "" || given.CA != "" || given.Cert != "" || given.Key != "" || given.TokenFile != "" {
			return errNotMade
		}
		return nil
	}
	var err error
	if given.Endpoints, err = parseEndpoints(o.target); err != nil {
		return err
	}
	access, err := given.Access(getenv)
	o.entry = entry{access.TLS, access.Token}
	return err
}

// secretsOf is the folder of the credentials that are made for a run.
func secretsOf(dir, cluster string) *secrets.Folder {
	return &secrets.Folder{Dir: filepath.Join(dir, "secrets"), Cluster: cluster}
}

// administrator is the administrator's access.
func administrator(f *secrets.Folder) (entry, error) {
	p := profile.Profile{CA: f.Path("certs", "ca.crt"), TokenFile: f.Path("admin", "token")}
	tls, token, err := p.Credentials()
	return entry{tls, token}, err
}

// secureProcess is process.Options.Secure.
func secureProcess(dir string) func(name string, hosts []string, text string) (string, error) {
	return func(name string, hosts []string, text string) (string, error) {
		f := secretsOf(dir, config.Default().Cluster)
		if err := f.MakeNode(name, hosts); err != nil {
			return "", err
		}
		return f.Secured(name, f.Path("certs"), text)
	}
}

// secureDocker is docker.Options.Secure.
func secureDocker(dir string) func(cluster, name, host, text string) (string, error) {
	return func(cluster, name, host, text string) (string, error) {
		f := secretsOf(dir, cluster)
		if err := f.MakeNode(name, []string{host}); err != nil {
			return "", err
		}
		return f.Secured(name, containers.SecretsInside, text)
	}
}
