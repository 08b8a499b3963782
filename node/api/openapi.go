package api

import _ "embed"

// OpenAPI is the description of the REST API, as YAML. A test of node/host/rest proves that it names all routes.
//
//go:embed openapi.yaml
var OpenAPI []byte
