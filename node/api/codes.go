package api

import (
	"fmt"
	"maps"
	"net/http"
	"slices"

	"kvs/node"
)

// Code is the stable name of an error, the `code` member of a problem document. Programs decide by it, not by texts.
type Code string

// The codes. Those of operations are the names of node.Code.
const (
	NotFound        Code = "not_found"
	ReadOnly        Code = "read_only"
	DiskFull        Code = "disk_full"
	NoQuorum        Code = "no_quorum"
	Syncing         Code = "syncing"
	StorageFailed   Code = "storage_failed"
	NotImplemented  Code = "not_implemented"
	Overloaded      Code = "overloaded"
	StorageCorrupt  Code = "storage_corrupt"
	StorageError    Code = "storage_error"
	ClockExhausted  Code = "clock_exhausted"
	BadRequest      Code = "bad_request"
	BadPath         Code = "bad_path"
	BadParameter    Code = "bad_parameter"
	BadConsistency  Code = "bad_consistency"
	BadHeader       Code = "bad_header"
	BadBody         Code = "bad_body"
	BadMediaType    Code = "unsupported_media_type"
	Precondition    Code = "precondition_failed"
	ConflictRetry   Code = "conflict_retry"
	KeyReused       Code = "idempotency_key_reused"
	ValueTooLarge   Code = "value_too_large"
	BodyTooLarge    Code = "body_too_large"
	HeadersTooLarge Code = "headers_too_large"
	BadRange        Code = "range_not_satisfiable"
	NoRoute         Code = "no_route"
	BadMethod       Code = "method_not_allowed"
	Timeout         Code = "timeout"
	RequestTimeout  Code = "request_timeout"
	Overdue         Code = "overdue"
	ShuttingDown    Code = "shutting_down"
	NotReady        Code = "not_ready"
	NotStarted      Code = "starting"
	NoMember        Code = "no_member"
	MemberAlive     Code = "member_alive"
	NotHandedOver   Code = "not_handed_over"
	OtherCluster    Code = "other_cluster"
	NoCredentials   Code = "unauthenticated"
	NotAllowed      Code = "not_allowed"
	NoKeyring       Code = "no_keyring"
	NoToken         Code = "no_token"
	KeyringRefused  Code = "keyring_refused"
	Internal        Code = "internal"
)

// Kind is what is known about a code besides its name.
type Kind struct {
	Status    int    // HTTP status.
	Title     string // for people, the same for every problem of the code.
	Retryable bool   // the same request may succeed later, or at another member.
}

var kinds = map[Code]Kind{
	NotFound:        {http.StatusNotFound, "No value at this path", false},
	ReadOnly:        {http.StatusServiceUnavailable, "The node is read-only", true},
	NoQuorum:        {http.StatusServiceUnavailable, "Too few members took part", true},
	DiskFull:        {http.StatusInsufficientStorage, "The node's disk is nearly full", true},
	Syncing:         {http.StatusServiceUnavailable, "The node is still fetching its data", true},
	StorageFailed:   {http.StatusServiceUnavailable, "The node's disk failed", true},
	NotImplemented:  {http.StatusNotImplemented, "Not built yet", false},
	Overloaded:      {http.StatusTooManyRequests, "Too many requests at once", true},
	StorageCorrupt:  {http.StatusInternalServerError, "The stored value is damaged", true},
	StorageError:    {http.StatusInternalServerError, "The store returned an error", true},
	ClockExhausted:  {http.StatusInternalServerError, "The hybrid clock is exhausted", false},
	BadRequest:      {http.StatusBadRequest, "The request could not be read", false},
	BadPath:         {http.StatusBadRequest, "The path is not allowed", false},
	BadParameter:    {http.StatusBadRequest, "A query parameter is wrong", false},
	BadConsistency:  {http.StatusBadRequest, "Unknown consistency level", false},
	BadHeader:       {http.StatusBadRequest, "A header is wrong", false},
	BadBody:         {http.StatusBadRequest, "The body is wrong", false},
	BadMediaType:    {http.StatusUnsupportedMediaType, "This media type is not accepted here", false},
	Precondition:    {http.StatusPreconditionFailed, "The condition of the request is false", false},
	ConflictRetry:   {http.StatusConflict, "Other writers were faster", true},
	KeyReused:       {http.StatusUnprocessableEntity, "Another request has used this idempotency key", false},
	ValueTooLarge:   {http.StatusRequestEntityTooLarge, "The value is too large", false},
	BodyTooLarge:    {http.StatusRequestEntityTooLarge, "The body is too large", false},
	HeadersTooLarge: {http.StatusRequestHeaderFieldsTooLarge, "URL and headers are too large", false},
	BadRange:        {http.StatusRequestedRangeNotSatisfiable, "The value has no such range", false},
	NoRoute:         {http.StatusNotFound, "No such route", false},
	BadMethod:       {http.StatusMethodNotAllowed, "Method not allowed", false},
	Timeout:         {http.StatusGatewayTimeout, "The node did not finish in time", true},
	RequestTimeout:  {http.StatusRequestTimeout, "The request did not arrive in time", true},
	Overdue:         {http.StatusGatewayTimeout, "The client's time was up before the request was begun", true},
	ShuttingDown:    {http.StatusServiceUnavailable, "The node is shutting down", true},
	OtherCluster:    {http.StatusConflict, "The member belongs to another cluster", false},
	NoMember:        {http.StatusNotFound, "No such member", false},
	MemberAlive:     {http.StatusConflict, "The member is alive", false},
	NotHandedOver:   {http.StatusConflict, "The node could not hand over", true},
	NotStarted:      {http.StatusServiceUnavailable, "The node is starting", true},
	NotReady:        {http.StatusServiceUnavailable, "The node is not ready", true},
	NoCredentials:   {http.StatusUnauthorized, "Who asks is not known", false},
	NotAllowed:      {http.StatusForbidden, "Who asks may not do this", false},
	NoToken:         {http.StatusNotFound, "No such token", false},
	NoKeyring:       {http.StatusConflict, "The node has no keyring", false},
	KeyringRefused:  {http.StatusConflict, "The keyring cannot be changed like this", false},
	Internal:        {http.StatusInternalServerError, "The node has a bug", false},
}

// Describe returns what is known about a code. A code of a newer server is an error to a client that does not know it.
func Describe(c Code) (Kind, error) {
	k, ok := kinds[c]
	if !ok {
		return Kind{}, fmt.Errorf("unknown error code %q: the server is newer than this client", c)
	}
	return k, nil
}

// Codes lists every code in alphabetical order.
func Codes() []Code { return slices.Sorted(maps.Keys(kinds)) }

// ofNode says under which code the core's refusals appear. Successes are not in it.
var ofNode = map[node.Code]Code{
	node.CodeNotFound:     NotFound,
	node.CodeReadOnly:     ReadOnly,
	node.CodeDiskFull:     DiskFull,
	node.CodeNoQuorum:     NoQuorum,
	node.CodeSyncing:      Syncing,
	node.CodeFailed:       StorageFailed,
	node.CodePrecondition: Precondition,
	node.CodeConflict:     ConflictRetry,
	node.CodeKeyReused:    KeyReused,
	node.CodeOverloaded:   Overloaded,
	node.CodeCorrupt:      StorageCorrupt,
	node.CodeStorage:      StorageError,
	node.CodeClock:        ClockExhausted,
}

// FromNode translates the core's code; ok is false for a success. Together with Describe it is the one place that says
// which HTTP status an outcome of the core has.
func FromNode(c node.Code) (code Code, ok bool) {
	code, ok = ofNode[c]
	return code, ok
}
