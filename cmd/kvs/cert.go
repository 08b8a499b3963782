package main

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"kvs/node/host/certs"
	"kvs/node/host/config"
	"kvs/node/host/secrets"
)

// newCert is `kvs cert`.
func newCert(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "cert",
		Short: "Make and show the certificates of a cluster",
		Args:  usageArgs(cobra.NoArgs),
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newCertIssue(a), newCertShow(a))
	return cmd
}

type certIssueOptions struct {
	dir, cluster, node, admin, client string
	hosts                             []string
	valid                             time.Duration
}

func newCertIssue(a *app) *cobra.Command {
	var o certIssueOptions
	cmd := &cobra.Command{
		Use:   "issue --dir DIR (--node NAME --host HOST... | --admin NAME | --client NAME)",
		Short: "Make a certificate, for a node or for a person",
		Long: `Make a certificate with the authority in DIR. If there is no authority yet, it is made.

A node's certificate names the node as its configuration does, and the hosts at which members and
clients reach it; this machine's own names are added. Files that exist are replaced: a node that
runs reads its new certificate by itself. Keep the authority's key (DIR/authority/ca.key) away
from all nodes.`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error { return a.issueCert(&o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.dir, "dir", "", "folder of authority and certificates, as kvs init --secure lays it out (required)")
	f.StringVar(&o.cluster, "cluster", config.Default().Cluster, "name of the cluster")
	f.StringVar(&o.node, "node", "", "name of the node that it is for")
	f.StringSliceVar(&o.hosts, "host", nil, "name or IP address at which the node is reached; repeat it for more")
	f.StringVar(&o.admin, "admin", "", "name of the administrator that it is for; administrators may do everything")
	f.StringVar(&o.client, "client", "", "name of the client that it is for")
	f.DurationVar(&o.valid, "valid", secrets.CertValid, "how long it lasts")
	_ = cmd.MarkFlagDirname("dir")
	return cmd
}

// identity is the owner of the certificate.
func (o *certIssueOptions) identity() (certs.Identity, error) {
	id := certs.Identity{Cluster: o.cluster}
	for role, name := range map[certs.Role]string{certs.Member: o.node, certs.Admin: o.admin, certs.Client: o.client} {
		switch {
		case name == "":
		case id.Name != "":
			return id, usageError("one certificate is for one: give --node, --admin or --client")
		default:
			id.Role, id.Name = role, name
		}
	}
	switch {
	case o.dir == "":
		return id, usageError("--dir is missing: where is the authority?")
	case id.Name == "":
		return id, usageError("the certificate needs an owner: give --node, --admin or --client")
	case strings.ContainsRune(id.Name, '/') || id.Name == "." || id.Name == "..":
		return id, usageError("%q cannot be the name of a file; leave out slashes", id.Name)
	case id.Role == certs.Member && len(o.hosts) == 0:
		return id, usageError("--host is missing: at which names or addresses is the node reached?")
	case id.Role != certs.Member && len(o.hosts) > 0:
		return id, usageError("--host is for nodes")
	}
	return id, positive("valid", o.valid)
}

func (a *app) issueCert(o *certIssueOptions) error {
	id, err := o.identity()
	if err != nil {
		return err
	}
	s := secrets.Folder{Dir: o.dir, Cluster: o.cluster}
	authority, err := s.Authority()
	if err != nil {
		return err
	}
	if err := s.Issue(authority, id, secrets.ReachedAt(o.hosts...), o.valid); err != nil {
		return err
	}
	for _, path := range s.Written {
		fmt.Fprintln(a.out, path)
	}
	return nil
}

func newCertShow(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "show FILE...",
		Short: "Show the owners of certificates, and when they end",
		Args:  usageArgs(cobra.MinimumNArgs(1)),
		RunE: func(_ *cobra.Command, args []string) error {
			for _, file := range args {
				if err := a.showCerts(file); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func (a *app) showCerts(file string) error {
	content, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	list, err := certs.CertificatesIn(content)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	if len(list) == 0 {
		return fmt.Errorf("%s holds no certificate", file)
	}
	for _, c := range list {
		who := "authority " + c.Subject.CommonName
		if !c.IsCA {
			id, err := certs.IdentityOf(c)
			if who = id.String(); err != nil {
				who = err.Error()
			}
		}
		hosts := append([]string{}, c.DNSNames...)
		for _, ip := range c.IPAddresses {
			hosts = append(hosts, ip.String())
		}
		fmt.Fprintf(a.out, "%s: %s, until %s", filepath.Base(file), who, c.NotAfter.UTC().Format(time.RFC3339))
		if len(hosts) > 0 {
			fmt.Fprintf(a.out, ", at %s", strings.Join(hosts, ", "))
		}
		fmt.Fprintln(a.out)
	}
	return nil
}

// hostOf is the host of a host:port.
func hostOf(address string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return (&url.URL{Host: address}).Hostname()
	}
	return host
}
