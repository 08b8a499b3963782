// Package api is the REST API as data: the JSON documents, the error codes with their HTTP statuses, and the OpenAPI
// description.
//
// It has no server and no client: node/host/rest is the server, node/client the client, and both use the types here.
// Begin with codes.go; openapi.yaml is the whole API for readers.
package api
