// Package certs has the credentials of members: the certificate and the key of a node, and the authority of its
// cluster.
//
// It reads these files, reloads them when they change, and identifies the other end of a connection. It also makes
// them, for `kvs init --secure`: a small authority and certificates of members and administrators. It uses only
// crypto/tls and crypto/x509. It does not decide about rights.
//
// # Identity
//
// A certificate names its owner in one URI among its alternative names:
//
//	kvs:///CLUSTER/member/NAME    the node of this name
//	kvs:///CLUSTER/admin/NAME     a person or program that may do everything
//	kvs:///CLUSTER/client/NAME    a person or program with rules of its own
//
// CLUSTER and NAME are percent-encoded. The authority alone is not enough: a certificate without such a URI, or of
// another cluster, proves no identity here, so that one authority may serve several clusters. A node's certificate
// names the node by its configured name, not by its ID: the ID is drawn at the first start, after the certificate was
// made. It also carries the hosts at which the node is reached, which the side that connects compares with the address
// that it dialled.
//
// Begin with Load and Keeper in keeper.go; identity.go holds the URI, dial.go connections to members, authority.go
// makes certificates.
package certs
