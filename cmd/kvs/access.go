package main

import (
	"crypto/tls"
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"kvs/node/client"
	"kvs/node/client/profile"
	"kvs/node/host/certs"
	"kvs/node/host/config"
)

// access is how a command reaches a cluster: its endpoints, the authority to trust, and the credentials to show.
type access struct {
	endpoints []string
	tls       *tls.Config // nil: no TLS.
	token     string
}

// options are those of the client for it.
func (to *access) options() client.Options {
	o := client.DefaultOptions(to.endpoints...)
	o.TLS, o.Token = to.tls, to.token
	return o
}

func (o *clientOptions) addCredentialFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.given.Name, "profile", "", "name of the cluster in ~/.kvs/config.yaml (default $"+
		profile.NameVariable+", else the current one there, unless endpoints are given)")
	f.StringVar(&o.given.CA, "ca", "",
		"file with the authority of the cluster: connections are TLS (default $"+profile.CAVariable+")")
	f.StringVar(&o.given.Cert, "cert", "", "file with your certificate (default $"+profile.CertVariable+")")
	f.StringVar(&o.given.Key, "key", "", "file with its key (default $"+profile.KeyVariable+")")
	f.StringVar(&o.given.TokenFile, "token-file", "", "file with your token (default $"+profile.TokenFileVariable+")")
}

// access combines flags, variables and profile, in this order.
func (o *clientOptions) access(getenv func(string) string) (access, error) {
	if o.as != nil {
		return nodeAccess(o.as, o.endpoints...)
	}
	given := o.given
	given.Endpoints = o.endpoints
	to, err := given.Access(getenv)
	if len(to.Endpoints) == 0 {
		to.Endpoints = []string{endpointDefault}
	}
	return access{to.Endpoints, to.TLS, to.Token}, err
}

// nodeAccess is access to the node of cfg, with that node's own credentials, for commands that act for a node of this
// machine: they read its files.
func nodeAccess(cfg *config.Config, endpoints ...string) (access, error) {
	to := access{endpoints: endpoints}
	k, err := keeperOf(cfg)
	if k != nil {
		to.tls = k.Local()
	}
	return to, err
}

// memberAccess is access to another member, as the node of cfg.
func memberAccess(cfg *config.Config, address string) (access, error) {
	to := access{endpoints: []string{address}}
	k, err := keeperOf(cfg)
	if k != nil {
		to.tls = k.Client(address)
	}
	return to, err
}

// keeperOf reads the credentials of the node of cfg; nil without TLS.
func keeperOf(cfg *config.Config) (*certs.Keeper, error) {
	if !cfg.TLS.On() {
		return nil, nil
	}
	k, err := certs.Load(certs.Options{
		Cert: cfg.TLS.Cert, Key: cfg.TLS.Key, CA: cfg.TLS.CA, Cluster: cfg.Cluster, Name: cfg.Name,
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return nil, fmt.Errorf("%s: tls: %w", cfg.File, err)
	}
	return k, nil
}
