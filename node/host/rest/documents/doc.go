// Package documents translates what a node knows of itself into the documents of the REST API: its status, the member
// table, the configuration, conflicts.
//
// It is pure, and knows nothing of requests. Begin with Status in status.go.
package documents
