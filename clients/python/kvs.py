"""A client of kvs, a clustered key-value store. One file, standard library only, Python 3.9 or newer.

    >>> import kvs
    >>> with kvs.Client("127.0.0.1:7001", "127.0.0.1:7002") as store:          # doctest: +SKIP
    ...     store.put("users/ann/mail", "ann@example.org")
    ...     print(store.get("users/ann/mail", level=kvs.QUORUM).text)
    ...     for entry in store.list("users/", recursive=True):
    ...         print(entry.path, entry.bytes)
    ann@example.org
    users/ann/mail 15

Copy the file into your project, or put its folder on PYTHONPATH. It does what the Go client (node/client) does, in the
same way:

What is tried again. A read is tried again after a broken connection and after every answer that calls itself retryable.
A write is tried again only when it is certain that it did not happen: the connection was refused, or the answer says
not_applied. When the outcome of a write is unknown, the error says so (`error.outcome == UNKNOWN`) and you decide,
because another client may have written meanwhile, and the repetition would silently cover that newer value. Give a
write a `key` (an idempotency key, see `new_key`) and it is tried again: under one key it is applied at most once. Or
make a client with `retry_unknown=True` if no other client writes your paths.

The next attempt goes to the next endpoint at once. When all have been tried, the client waits, longer each round.

Levels: EVENTUAL, QUORUM, LINEARIZABLE, or None for the default of the node. A write with a condition or a key is always
linearizable. A client is safe for use by several threads.
"""

from __future__ import annotations

import base64
import dataclasses
import http.client
import json
import random
import secrets
import socket
import ssl
import threading
import time
import urllib.parse
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple, Type, Union

__all__ = [
    "EVENTUAL", "QUORUM", "LINEARIZABLE", "NOT_APPLIED", "UNKNOWN", "Client", "Value", "Written", "Entry", "Operation",
    "Result", "Event", "Error", "NotFound", "PreconditionFailed", "NotAllowed", "BadRequest", "Unavailable", "new_key",
]

EVENTUAL, QUORUM, LINEARIZABLE = "eventual", "quorum", "linearizable"

# Outcomes of a write that failed.
NOT_APPLIED = "not_applied"  # it did not happen and will not.
UNKNOWN = "unknown"  # it may have happened, or happen yet.

Bytes = bytes  # Entry has a member of this name.

UNREACHABLE = "unreachable"  # the code of an Error that no member sent.

VALUE_BYTES_MAX = 8 << 20
DOCUMENT_BYTES_MAX = 64 << 20


class Error(Exception):
    """An operation failed. Programs decide by its class, or by its code."""

    def __init__(self, operation: str, code: str, detail: str = "", *, endpoint: str = "", status: int = 0,
                 outcome: str = "", retryable: bool = False, retry_after: float = 0.0, etag: str = "") -> None:
        super().__init__(operation, code, detail)
        self.operation = operation  # "PUT a/b".
        self.code = code  # "not_found", ..., or "unreachable".
        self.detail = detail  # for people.
        self.endpoint = endpoint  # that was asked last.
        self.status = status  # of HTTP; 0 without an answer.
        self.outcome = outcome  # of a write: NOT_APPLIED or UNKNOWN. Empty for reads.
        self.retryable = retryable  # the same may succeed later, or at another member.
        self.retry_after = retry_after  # seconds.
        self.etag = etag  # of a condition that was false: the version that is there; empty: none is.
        self.attempts = 0

    def __str__(self) -> str:
        """
        >>> print(Error("PUT a", "timeout", "too slow", endpoint="http://h:1", outcome=UNKNOWN))
        PUT a: timeout: too slow (http://h:1); the write may have happened or may happen yet: read before you write again
        """
        text = f"{self.operation}: {self.code}"
        if self.detail:
            text += f": {self.detail}"
        if self.endpoint:
            text += f" ({self.endpoint}" + (f", attempt {self.attempts}" if self.attempts > 1 else "") + ")"
        if self.outcome == UNKNOWN:
            text += "; the write may have happened or may happen yet: read before you write again"
        elif self.outcome == NOT_APPLIED:
            text += "; nothing was written"
        return text


class NotFound(Error):
    """There is no value at the path."""


class PreconditionFailed(Error):
    """The condition of a write was false; `etag` says what is there."""


class NotAllowed(Error):
    """The credentials are missing, or do not allow this."""


class BadRequest(Error):
    """The request is wrong: repeating it does not help."""


class Unavailable(Error):
    """No member answered, or none can do this now. Look at `outcome` before you write again."""


def _class_of(code: str, status: int, retryable: bool) -> Type[Error]:
    """
    >>> _class_of("not_found", 404, False).__name__, _class_of("no_quorum", 503, True).__name__
    ('NotFound', 'Unavailable')
    """
    if code == "not_found":
        return NotFound
    if code == "precondition_failed":
        return PreconditionFailed
    if status in (401, 403):
        return NotAllowed
    if retryable or code == UNREACHABLE or status >= 500:
        return Unavailable
    return BadRequest


@dataclasses.dataclass(frozen=True)
class Value:
    """A value that was read."""

    path: str
    body: bytes
    content_type: str
    etag: str  # the opaque version, without quotes.
    timestamp: str  # of the version: MILLISECONDS.COUNTER.
    level: str  # at which it was read.
    node: str  # that answered.
    expires: str = ""  # when it ends, about, RFC 3339; empty: never.

    @property
    def text(self) -> str:
        """The body as UTF-8."""
        return self.body.decode("utf-8")

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


@dataclasses.dataclass(frozen=True)
class Written:
    """A write that happened."""

    path: str
    created: bool  # a put: there was no value before.
    etag: str  # of a put; empty for a delete.
    timestamp: str
    level: str
    node: str


@dataclasses.dataclass(frozen=True)
class Entry:
    """One line of a listing. A directory ends in a slash and has only a path and a name."""

    path: str  # from the root.
    name: str  # from the listed directory.
    directory: bool = False
    etag: str = ""
    timestamp: str = ""
    content_type: str = ""
    bytes: Optional[int] = None  # None for a directory.
    expires: str = ""  # when the value ends, about, RFC 3339; empty: never.
    body: Optional[Bytes] = None  # the value, if the listing was asked for values and they may be read.


def _entry(e: Mapping[str, Any]) -> Entry:
    """
    >>> _entry({"path": "a/b", "name": "b", "bytes": 2, "value_base64": "AP8="}).body
    b'\\x00\\xff'
    """
    return Entry(e["path"], e["name"], e.get("directory", False), e.get("etag", ""), e.get("timestamp", ""),
                 e.get("content_type", ""), e.get("bytes"), e.get("expires", ""), _body(e))


def _body(e: Mapping[str, Any]) -> Optional[bytes]:
    """
    >>> _body({"value": "ü"}), _body({"value_base64": "AP8="}), _body({})
    (b'\\xc3\\xbc', b'\\x00\\xff', None)
    """
    if "value_base64" in e:
        return base64.b64decode(e["value_base64"])
    return e["value"].encode("utf-8") if "value" in e else None


OPERATIONS_MAX = 128  # of a batch.


class Operation:
    """One operation of a batch: see `Client.batch`. Make it with get, put or delete, whose arguments are those of the
    client's methods.

    >>> Operation.put("a", "x", if_absent=True).document["if_none_match"]
    ['*']
    """

    def __init__(self, document: Dict[str, Any]) -> None:
        self.document = document  # as the REST API has it.

    @classmethod
    def get(cls, path: str, *, level: Optional[str] = None) -> "Operation":
        """Read a value."""
        return cls._of("get", path, level, None, False, "")

    @classmethod
    def put(cls, path: str, body: Union[bytes, bytearray, memoryview, str], *, level: Optional[str] = None,
            content_type: Optional[str] = None, ttl: Union[int, str, None] = None,
            if_match: Union[str, Sequence[str], None] = None, if_absent: bool = False, key: str = "") -> "Operation":
        """Write a value."""
        made = cls._of("put", path, level, if_match, if_absent, key)
        data, made.document["content_type"] = _as_bytes(body, content_type)
        made.document["value_base64"] = base64.b64encode(data).decode("ascii")
        if ttl is not None:
            made.document["ttl"] = str(ttl)
        return made

    @classmethod
    def delete(cls, path: str, *, level: Optional[str] = None, if_match: Union[str, Sequence[str], None] = None,
               key: str = "") -> "Operation":
        """Delete a value."""
        return cls._of("delete", path, level, if_match, False, key)

    @classmethod
    def _of(cls, op: str, path: str, level: Optional[str], if_match: Union[str, Sequence[str], None], if_absent: bool,
            key: str) -> "Operation":
        _check_path(path, False)
        _condition(if_match, if_absent)  # refuses what makes no sense.
        document: Dict[str, Any] = {"op": op, "path": path}
        if level is not None:
            document["consistency"] = level
        if if_match is not None:
            document["if_match"] = [if_match] if isinstance(if_match, str) else list(if_match)
        if if_absent:
            document["if_none_match"] = ["*"]
        if key:
            document["idempotency_key"] = key
        return cls(document)


@dataclasses.dataclass(frozen=True)
class Result:
    """What became of one operation of a batch: one of value, written and error is there."""

    operation: Operation
    value: Optional[Value] = None  # of a get.
    written: Optional[Written] = None  # of a put or delete.
    error: Optional[Error] = None


@dataclasses.dataclass(frozen=True)
class Event:
    """One event of a watch: see `Client.watch`."""

    kind: str  # "put", "delete", "snapshot-begin", "snapshot-end", or "bookmark" (nothing has happened).
    token: str  # to go on after this event with `since`.
    path: str = ""  # of a put or delete, like what follows.
    etag: str = ""
    timestamp: str = ""
    content_type: str = ""
    bytes: Optional[int] = None
    expires: str = ""
    body: Optional[Bytes] = None  # the value, if the watch was asked for values.


def new_key() -> str:
    """A new idempotency key.

    >>> new_key() != new_key() and len(new_key())
    32
    """
    return secrets.token_hex(16)


def _check_path(path: str, directory: bool) -> None:
    """
    >>> _check_path("a/b", False)
    >>> _check_path("a//b", False)
    Traceback (most recent call last):
    ValueError: the path 'a//b' has an empty segment
    """
    if directory and path == "":
        return
    if len(path.encode("utf-8")) > 1024:
        raise ValueError("the path has more than 1024 bytes")
    if directory:
        if not path.endswith("/"):
            raise ValueError(f"the directory {path!r} does not end in a slash")
        path = path[:-1]
    for segment in path.split("/"):
        if segment == "":
            raise ValueError(f"the path {path!r} has an empty segment")
        if segment in (".", ".."):
            raise ValueError(f"the path {path!r} has the segment {segment!r}")
        if len(segment.encode("utf-8")) > 255:
            raise ValueError(f"a segment of the path {path[:40]!r} has more than 255 bytes")
    if any(ord(c) < 0x20 or 0x7F <= ord(c) < 0xA0 for c in path):
        raise ValueError(f"the path {path!r} has a control character")


def _quote(path: str) -> str:
    """
    >>> _quote("a b/100%/ü?#;+/%2F")
    'a%20b/100%25/%C3%BC%3F%23%3B%2B/%252F'
    """
    return "/".join(urllib.parse.quote(segment, safe="") for segment in path.split("/"))


def _parse_endpoint(endpoint: str, secure: bool) -> Tuple[str, str, int]:
    """
    >>> _parse_endpoint("127.0.0.1:7001", False)
    ('http', '127.0.0.1', 7001)
    >>> _parse_endpoint("[::1]:7001", True)
    ('https', '::1', 7001)
    >>> _parse_endpoint("ftp://h:1", False)
    Traceback (most recent call last):
    ValueError: endpoint 'ftp://h:1': want host:port, such as 127.0.0.1:7001
    """
    text = endpoint if "://" in endpoint else ("https://" if secure else "http://") + endpoint
    parts = urllib.parse.urlsplit(text)
    try:
        port = parts.port
    except ValueError:
        port = None
    if (parts.scheme not in ("http", "https") or not parts.hostname or not port or parts.username is not None
            or parts.path not in ("", "/") or parts.query or parts.fragment):
        raise ValueError(f"endpoint {endpoint!r}: want host:port, such as 127.0.0.1:7001")
    return parts.scheme, parts.hostname, port


def _as_bytes(body: Union[bytes, bytearray, memoryview, str], content_type: Optional[str]) -> Tuple[bytes, str]:
    """
    >>> _as_bytes("ü", None)
    (b'\\xc3\\xbc', 'text/plain; charset=utf-8')
    >>> _as_bytes(b"x", None)
    (b'x', 'application/octet-stream')
    """
    if isinstance(body, str):
        return body.encode("utf-8"), content_type or "text/plain; charset=utf-8"
    return bytes(body), content_type or "application/octet-stream"


def _header(name: str, value: str) -> str:
    """Headers that cannot be sent are the caller's mistake."""
    if any((ord(c) < 0x20 and c != "\t") or ord(c) == 0x7F for c in value):
        raise ValueError(f"{name} holds a character that no header may: {value!r}")
    return value.encode("utf-8").decode("latin-1")  # http.client sends latin-1.


def _condition(if_match: Union[str, Sequence[str], None], if_absent: bool) -> Dict[str, str]:
    """
    >>> _condition("7-ab", False), _condition(["1", "2"], False), _condition("*", False), _condition(None, True)
    ({'If-Match': '"7-ab"'}, {'If-Match': '"1","2"'}, {'If-Match': '*'}, {'If-None-Match': '*'})
    """
    if if_match is not None and if_absent:
        raise ValueError("if_match and if_absent: which one shall it be?")
    if if_absent:
        return {"If-None-Match": "*"}
    if if_match is None:
        return {}
    if if_match == "*":
        return {"If-Match": "*"}
    tags = [if_match] if isinstance(if_match, str) else list(if_match)
    if not tags or "" in tags:
        raise ValueError("if_match is empty: give an ETag, or '*' for any value")
    return {"If-Match": ",".join(f'"{tag}"' for tag in tags)}


@dataclasses.dataclass
class _Request:
    method: str
    target: str
    name: str
    write: bool = False
    once: bool = False
    body: Optional[bytes] = None
    headers: Dict[str, str] = dataclasses.field(default_factory=dict)
    keyed: bool = False
    bytes_max: int = DOCUMENT_BYTES_MAX

    @property
    def operation(self) -> str:
        return f"{self.method} {self.name}"


@dataclasses.dataclass
class _Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    def header(self, name: str) -> str:
        return self.headers.get(name) or ""

    @property
    def etag(self) -> str:
        return self.header("ETag").strip('"')

    @property
    def node(self) -> str:
        return urllib.parse.unquote(self.header("Kvs-Node"))


class Client:
    """A door to one cluster: see the help of this module.

    Endpoints are members of the cluster: "host:port", "http://host:port" or "https://host:port". Without a scheme it is
    https if there is a TLS context, and http otherwise. `ca`, `cert` and `key` are files: the authority to trust, and the
    certificate to show; or give a `tls` context of your own. A `token` is sent over https alone, unless `token_in_clear`.

    The default waits a few seconds rather than fail: `attempts` of one operation over all endpoints, each for at most
    `attempt_timeout` seconds.
    """

    def __init__(self, *endpoints: str, token: str = "", token_in_clear: bool = False, ca: Optional[str] = None,
                 cert: Optional[str] = None, key: Optional[str] = None, tls: Optional[ssl.SSLContext] = None,
                 retry_unknown: bool = False, attempts: int = 6, attempt_timeout: float = 12.0,
                 dial_timeout: float = 2.0, retry_delay_min: float = 0.1, retry_delay_max: float = 2.0) -> None:
        if not endpoints:
            raise ValueError("name at least one endpoint, such as 127.0.0.1:7001")
        if attempts < 1 or attempt_timeout <= 0 or dial_timeout <= 0:
            raise ValueError("at least one attempt must be allowed, and timeouts must be above zero")
        if not 0 < retry_delay_min <= retry_delay_max:
            raise ValueError("retry delays must be above zero, the second not below the first")
        if tls is None and (ca or cert):
            tls = ssl.create_default_context(cafile=ca)
            tls.minimum_version = ssl.TLSVersion.TLSv1_2
            if cert:
                tls.load_cert_chain(cert, key)
        self._endpoints = [_parse_endpoint(e, tls is not None) for e in endpoints]
        self._tls = tls
        if token and not token_in_clear and any(scheme == "http" for scheme, _, _ in self._endpoints):
            raise ValueError("the token would be sent unencrypted: use https, or allow it")
        self._token = token
        self._retry_unknown = retry_unknown
        self._attempts = attempts
        self._attempt_timeout = attempt_timeout
        self._dial_timeout = dial_timeout
        self._delay_min, self._delay_max = retry_delay_min, retry_delay_max
        self._preferred = 0
        self._clock_off = False  # a member's clock differs by more than may be: no deadlines are sent.
        self._lock = threading.Lock()
        self._idle: Dict[int, List[http.client.HTTPConnection]] = {}
        self._closed = False

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close idle connections. Operations of other threads that are in flight are not affected."""
        with self._lock:
            idle, self._idle, self._closed = self._idle, {}, True
        for connections in idle.values():
            for connection in connections:
                connection.close()

    # Values.

    def get(self, path: str, *, level: Optional[str] = None) -> Value:
        """Read the value at a path. NotFound: there is none."""
        _check_path(path, False)
        answer = self._do(_Request("GET", self._target(path, level), path, bytes_max=VALUE_BYTES_MAX))
        return Value(path, answer.body, answer.header("Content-Type"), answer.etag, answer.header("Kvs-Timestamp"),
                     answer.header("Kvs-Consistency"), answer.node, answer.header("Kvs-Expires"))

    def put(self, path: str, body: Union[bytes, bytearray, memoryview, str], *, level: Optional[str] = None,
            content_type: Optional[str] = None, ttl: Union[int, str, None] = None,
            if_match: Union[str, Sequence[str], None] = None, if_absent: bool = False, key: str = "") -> Written:
        """Write a value.

        `ttl`: how long the value lives, in whole seconds or as a duration such as "90m". `if_match`: only if the path shows
        this ETag, or one of these, or any value with "*". `if_absent`: only if there is no value. PreconditionFailed: the
        condition was false. `key`: an idempotency key.
        """
        data, media = _as_bytes(body, content_type)
        headers = {"Content-Type": media}
        if ttl is not None:
            headers["Kvs-TTL"] = str(ttl)
        return self._write("PUT", path, level, headers, data, if_match, if_absent, key)

    def delete(self, path: str, *, level: Optional[str] = None, if_match: Union[str, Sequence[str], None] = None,
               key: str = "") -> Written:
        """Delete the value at a path. It succeeds also when there is none, unless there is a condition."""
        return self._write("DELETE", path, level, {}, None, if_match, False, key)

    def list(self, directory: str = "", *, recursive: bool = False, limit: int = 0, after: str = "",
             values: bool = False) -> Iterator[Entry]:
        """Walk through a directory, such as "users/", page by page; `limit` is the size of a page.

        With `values` the entries carry their values. The pages may come from different members and are not one snapshot.
        """
        _check_path(directory, True)
        while True:
            query = {}
            if recursive:
                query["recursive"] = "true"
            if values:
                query["values"] = "true"
            if limit:
                query["limit"] = str(limit)
            if after:
                query["after"] = after
            target = "/kv/" + _quote(directory)
            if query:
                target += "?" + urllib.parse.urlencode(query, quote_via=urllib.parse.quote)
            page = self._document(_Request("GET", target, directory or "/"))
            for e in page["entries"]:
                yield _entry(e)
            if not page["more"]:
                return
            if page["next"] <= after:
                raise Error(f"GET {directory or '/'}", UNREACHABLE, "the server goes round in circles")
            after = page["next"]

    def batch(self, operations: Sequence[Operation]) -> List[Result]:
        """Send up to 128 operations at once. There is a result for each, in their order.

        A batch is not atomic: each operation succeeds or fails alone, and those of different paths run at the same time.
        An Error that is raised means that there are no results; its outcome says whether operations may have happened.
        A batch is tried again after an unknown outcome only if each of its writes has an idempotency key.
        """
        if not 1 <= len(operations) <= OPERATIONS_MAX:
            raise ValueError(f"{len(operations)} operations: a batch has 1 to {OPERATIONS_MAX}")
        writes = [o.document for o in operations if o.document["op"] != "get"]
        body = json.dumps([o.document for o in operations]).encode("utf-8")
        request = _Request("POST", "/batch", f"batch of {len(operations)}", write=bool(writes), body=body,
                           headers={"Content-Type": "application/json"},
                           keyed=all("idempotency_key" in w for w in writes))
        answer = self._do(request)
        try:
            results = json.loads(answer.body)["results"]
            if len(results) != len(operations):
                raise ValueError(f"{len(results)} results for {len(operations)} operations")
            return [self._result(o, r, answer.node) for o, r in zip(operations, results)]
        except (ValueError, KeyError, TypeError) as e:
            raise Error(request.operation, UNREACHABLE, f"the answer is not the JSON that this client expects: {e}",
                        status=answer.status, outcome=UNKNOWN if writes else "") from e

    @staticmethod
    def _result(operation: Operation, r: Mapping[str, Any], node: str) -> Result:
        op, path, problem = operation.document["op"], operation.document["path"], r.get("problem")
        if problem is not None:
            outcome = (problem.get("outcome") or UNKNOWN) if op != "get" else ""
            retryable = bool(problem.get("retryable"))
            return Result(operation, error=_class_of(problem["code"], r["status"], retryable)(
                f"{op} {path}", problem["code"], problem.get("detail", ""), status=r["status"], outcome=outcome,
                retryable=retryable, retry_after=float(problem.get("retry_after", 0)), etag=r.get("etag", "")))
        level, timestamp, etag = r.get("consistency", ""), r.get("timestamp", ""), r.get("etag", "")
        if op == "get":
            return Result(operation, value=Value(path, _body(r) or b"", r.get("content_type", ""), etag, timestamp, level,
                                                 node, r.get("expires", "")))
        return Result(operation, written=Written(path, r["status"] == 201, etag, timestamp, level, node))

    def watch(self, target: str = "", *, since: str = "", values: bool = False) -> Iterator[Event]:
        """Watch everything below a directory, which ends in a slash ("" is everything), or one path, until the caller stops.

        First comes a snapshot: a put of each value between "snapshot-begin" and "snapshot-end"; what was known before and
        is not in it is gone. Then come puts and deletes as they happen. `since`: the token of an event, after which the
        watch goes on instead. It goes on by itself when a member fails, at another endpoint, which begins with a
        snapshot. An event may come again. An Error that no further attempt can help ends the watch.

        It asks with long polls, each for half as long as an attempt may take.
        """
        if target:
            _check_path(target, target.endswith("/"))
        pause = self._delay_min
        while True:
            query = {"values": "true"} if values else {}
            query["watch"] = "true"
            query["wait"] = f"{int(self._attempt_timeout * 500)}ms"
            if since:
                query["since"] = since
            try:
                page = self._document(_Request("GET", "/kv/" + _quote(target) + "?" + urllib.parse.urlencode(query),
                                               "watch of " + (target or "/")))
            except Unavailable:
                time.sleep(pause * random.uniform(0.5, 1.0))  # all endpoints have failed several times.
                pause = min(2 * pause, self._delay_max)
                continue
            pause = self._delay_min
            for event in page["events"]:
                yield Event(event["event"], event.get("token", ""), event.get("path", ""), event.get("etag", ""),
                            event.get("timestamp", ""), event.get("content_type", ""), event.get("bytes"),
                            event.get("expires", ""), _body(event))
            since = page["token"]

    # The cluster, as the JSON documents of the REST API.

    def members(self) -> List[Dict[str, Any]]:
        """The member table of the member that answers."""
        return self._document(_Request("GET", "/members/", "/members/"))["members"]

    def voters(self) -> Dict[str, Any]:
        """Who decides on linearizable operations."""
        return self._document(_Request("GET", "/voters/", "/voters/"))

    def status(self) -> Dict[str, Any]:
        """What one node knows about itself. It is asked once: make a client with one endpoint for it."""
        return self._document(_Request("GET", "/status", "/status", once=True))

    def conflicts(self, prefix: str = "", limit: int = 0) -> List[Dict[str, Any]]:
        """The last decisions about writes with equal timestamps, newest first."""
        query = {k: v for k, v in (("prefix", prefix), ("limit", str(limit) if limit else "")) if v}
        target = "/conflicts" + ("?" + urllib.parse.urlencode(query, quote_via=urllib.parse.quote) if query else "")
        return self._document(_Request("GET", target, "/conflicts"))["conflicts"]

    # How it is done.

    def _target(self, path: str, level: Optional[str]) -> str:
        target = "/kv/" + _quote(path)
        return target if level is None else target + "?consistency=" + urllib.parse.quote(level)

    def _write(self, method: str, path: str, level: Optional[str], headers: Dict[str, str], body: Optional[bytes],
               if_match: Union[str, Sequence[str], None], if_absent: bool, key: str) -> Written:
        _check_path(path, False)
        headers.update(_condition(if_match, if_absent))
        if key:
            headers["Idempotency-Key"] = key
        if key or if_match is not None or if_absent:
            level = LINEARIZABLE
        answer = self._do(_Request(method, self._target(path, level), path, write=True, body=body, headers={
            name: _header(name, value) for name, value in headers.items()}, keyed=bool(key)))
        return Written(path, answer.status == 201, answer.etag, answer.header("Kvs-Timestamp"),
                       answer.header("Kvs-Consistency"), answer.node)

    def _document(self, request: _Request) -> Any:
        answer = self._do(request)
        try:
            return json.loads(answer.body)
        except ValueError as e:
            raise Error(request.operation, UNREACHABLE, f"the answer is not the JSON that this client expects: {e}",
                        status=answer.status) from e

    def _do(self, request: _Request) -> _Answer:
        """Attempt a request until it succeeds, or nothing more may be tried."""
        first, delay, unknown = self._preferred, self._delay_min, False
        told: Optional[Error] = None  # the last answer of a member, which says more than silence.
        attempt = 0
        while True:
            at = (first + attempt) % len(self._endpoints)
            attempt += 1
            try:
                answer = self._attempt(request, at)
                self._preferred = at
                return answer
            except Error as e:
                error = e
            error.attempts = attempt
            unknown = unknown or error.outcome == UNKNOWN
            if unknown:
                error.outcome = UNKNOWN  # a later attempt that did nothing does not undo an earlier one that may have.
            if error.status:
                told = error
            if request.once or attempt == self._attempts or not self._may_repeat(request, error):
                if error.retryable:
                    self._preferred = (at + 1) % len(self._endpoints)
                if not error.status and told is not None:
                    told.attempts, told.outcome = error.attempts, error.outcome
                    raise told from error
                raise error
            if attempt % len(self._endpoints) == 0:
                pause = min(max(delay, error.retry_after), self._delay_max)
                time.sleep(pause * random.uniform(0.5, 1.0))  # so that many clients do not come back together.
                delay = min(2 * delay, self._delay_max)

    def _may_repeat(self, request: _Request, error: Error) -> bool:
        return error.retryable and (not request.write or error.outcome == NOT_APPLIED or self._retry_unknown
                                    or request.keyed)

    def _attempt(self, request: _Request, at: int) -> _Answer:
        """Ask one endpoint once."""
        scheme, host, port = self._endpoints[at]
        endpoint = f"{scheme}://{'[' + host + ']' if ':' in host else host}:{port}"
        deadline = time.monotonic() + self._attempt_timeout
        headers = dict(request.headers)
        headers["User-Agent"] = "kvs-python"
        if self._token:
            headers["Authorization"] = "Bearer " + self._token
        with_deadline = not request.once and not self._clock_off
        if with_deadline:
            headers["Kvs-Deadline"] = str(int((time.time() + self._attempt_timeout) * 1000))
        try:
            connection = self._connection(at)
        except OSError as e:
            raise self._broken(request, endpoint, e, sent=False) from e
        keep = False
        try:
            connection.sock.settimeout(max(deadline - time.monotonic(), 0.001))
            connection.request(request.method, request.target, body=request.body, headers=headers)
            answer = connection.getresponse()
            success = 200 <= answer.status < 300
            body = b""
            try:
                body = self._read(connection, answer, request.bytes_max, deadline)
                keep = not answer.will_close
            except (OSError, http.client.HTTPException):
                if not (success and request.write):  # the success of a write is told by the status alone.
                    raise
        except (OSError, http.client.HTTPException) as e:
            raise self._broken(request, endpoint, e, sent=True) from e
        finally:
            self._give_back(at, connection, keep)
        if success:
            return _Answer(answer.status, answer.headers, body)
        problem = self._problem(request, endpoint, answer, body)
        if problem.code == "overdue" and with_deadline and time.monotonic() < deadline:
            self._clock_off = True  # the member says that the deadline has passed, but it has not.
        raise problem

    @staticmethod
    def _read(connection: http.client.HTTPConnection, answer: http.client.HTTPResponse, bytes_max: int,
              deadline: float) -> bytes:
        pieces, size = [], 0
        while True:
            if connection.sock is not None:
                connection.sock.settimeout(max(deadline - time.monotonic(), 0.001))
            piece = answer.read1(1 << 16) if answer.length is None else answer.read(min(answer.length, 1 << 16))
            if not piece:
                if answer.length:
                    raise http.client.IncompleteRead(b"".join(pieces), answer.length)
                return b"".join(pieces)
            pieces.append(piece)
            size += len(piece)
            if size > bytes_max:
                raise http.client.HTTPException("the answer is longer than anything a member sends")

    def _connection(self, at: int) -> http.client.HTTPConnection:
        """An idle connection, or a new one. An error means that nothing was sent."""
        while True:
            with self._lock:
                idle = self._idle.get(at)
                connection = idle.pop() if idle else None
            if connection is None:
                break
            if not _ended(connection):
                return connection
            connection.close()
        scheme, host, port = self._endpoints[at]
        if scheme == "https":
            tls = self._tls if self._tls is not None else ssl.create_default_context()
            connection = http.client.HTTPSConnection(host, port, timeout=self._dial_timeout, context=tls)
        else:
            connection = http.client.HTTPConnection(host, port, timeout=self._dial_timeout)
        try:
            connection.connect()
            connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except BaseException:
            connection.close()
            raise
        return connection

    def _give_back(self, at: int, connection: http.client.HTTPConnection, keep: bool) -> None:
        with self._lock:
            if keep and not self._closed and len(self._idle.setdefault(at, [])) < 64:
                self._idle[at].append(connection)
                return
        connection.close()

    @staticmethod
    def _broken(request: _Request, endpoint: str, cause: Exception, sent: bool) -> Error:
        outcome = ""
        if request.write:
            outcome = UNKNOWN if sent else NOT_APPLIED  # without a connection no request was sent.
        return Unavailable(request.operation, UNREACHABLE, str(cause) or type(cause).__name__, endpoint=endpoint,
                           outcome=outcome, retryable=True)

    @staticmethod
    def _problem(request: _Request, endpoint: str, answer: http.client.HTTPResponse, body: bytes) -> Error:
        """A refusal. A body that is no problem document came from a server that is no member."""
        status, problem = answer.status, None
        if answer.headers.get_content_type() == "application/problem+json":
            try:
                problem = json.loads(body)
            except ValueError:
                pass
        if not isinstance(problem, dict) or not problem.get("code"):
            problem = {"code": UNREACHABLE, "retryable": status >= 500 or status == 429,
                       "detail": f"the answer, HTTP {status}, is not one of kvs: is this endpoint a member?"}
        outcome = ""
        if request.write:  # unknown, unless the member's answer says more.
            outcome = NOT_APPLIED if problem.get("outcome") == NOT_APPLIED else UNKNOWN
        retryable = bool(problem.get("retryable"))
        return _class_of(problem["code"], status, retryable)(
            request.operation, problem["code"], problem.get("detail", ""), endpoint=endpoint, status=status,
            outcome=outcome, retryable=retryable, retry_after=float(max(problem.get("retry_after", 0), 0)),
            etag=(answer.headers.get("ETag") or "").strip('"'))


def _ended(connection: http.client.HTTPConnection) -> bool:
    """Whether the other side has closed an idle connection: a request on it would have an unknown outcome."""
    sock = connection.sock
    if sock is None:
        return True
    try:
        sock.settimeout(0)
        if isinstance(sock, ssl.SSLSocket):
            sock.read(1)  # nothing is expected: whatever comes ends the connection.
        else:
            sock.recv(1, socket.MSG_PEEK)
        return True
    except (BlockingIOError, ssl.SSLWantReadError):
        return False
    except OSError:
        return True
