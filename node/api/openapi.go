package api

import _ "embed"

// OpenAPI is the description of the REST API, as YAML. node/host/rest proves that it names the routes there are.
//
//go:embed openapi.yaml
var OpenAPI []byte
