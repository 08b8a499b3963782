"""Tests of kvs.py: python3 test_kvs.py. Those against real nodes need their endpoints in KVS_TEST_ENDPOINTS; the tests
of TLS need KVS_TEST_SECURE (an endpoint), KVS_TEST_CA and KVS_TEST_TOKEN (files). cmd/kvs/python_test.go sets them."""

import doctest
import http.server
import json
import os
import queue
import socket
import threading
import time
import unittest

import kvs

ENDPOINTS = [e for e in os.environ.get("KVS_TEST_ENDPOINTS", "").split(",") if e]
SECURE = os.environ.get("KVS_TEST_SECURE", "")


def load_tests(loader, tests, ignore):
    tests.addTests(doctest.DocTestSuite(kvs))
    return tests


class Member(http.server.ThreadingHTTPServer):
    """A pretended member. It answers requests with script, one after the other, the last one for ever."""

    daemon_threads = True

    def __init__(self, *script):
        super().__init__(("127.0.0.1", 0), Handler)
        self.script, self.asked, self.seen, self.end = script, 0, [], threading.Event()
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def endpoint(self):
        return "127.0.0.1:%d" % self.server_address[1]

    def close(self):
        self.end.set()
        self.shutdown()
        self.server_close()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def handle_one(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        m = self.server
        m.seen.append((self.command, self.path, self.headers, body))
        m.asked += 1
        m.script[min(m.asked, len(m.script)) - 1](self)

    do_GET = do_PUT = do_DELETE = do_POST = handle_one

    def log_message(self, *args):
        pass

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def value(body):
    return lambda h: h.answer(200, body, ETag='"7-ab"', Content_Type="text/plain", Kvs_Timestamp="1700000000000.00001",
                              Kvs_Consistency="eventual", Kvs_Node="n%201")


def created(h):
    h.answer(201, ETag='"8-cd"')


def refusal(status, code, outcome="", retryable=True, etag=""):
    problem = {"type": "about:blank", "title": "x", "status": status, "code": code, "detail": "because",
               "retryable": retryable, "retry_after": 1}
    if outcome:
        problem["outcome"] = outcome
    return lambda h: h.answer(status, json.dumps(problem).encode(), Content_Type="application/problem+json",
                              **({"ETag": f'"{etag}"'} if etag else {}))


def hang_up(h):
    """Take the request and break the connection: whether it did anything cannot be known."""
    h.close_connection = True
    h.connection.shutdown(socket.SHUT_RDWR)


def stand_still(h):
    h.server.end.wait()
    hang_up(h)


def silent():
    """An address at which no process listens."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return "127.0.0.1:%d" % s.getsockname()[1]


class Pretended(unittest.TestCase):
    """What is tried again: the same cases as in node/client/client_test.go."""

    def member(self, *script):
        m = Member(*script)
        self.addCleanup(m.close)
        return m

    def client(self, *endpoints, **options):
        options = {"retry_delay_min": 0.001, "retry_delay_max": 0.002, "attempt_timeout": 30, **options}
        c = kvs.Client(*endpoints, **options)
        self.addCleanup(c.close)
        return c

    def fails(self, cls, do):
        with self.assertRaises(cls) as caught:
            do()
        self.assertIs(type(caught.exception), cls)
        return caught.exception

    def test_get_tells_what_the_answer_says(self):
        got = self.client(self.member(value(b"hello")).endpoint).get("a/b")
        self.assertEqual(got, kvs.Value("a/b", b"hello", "text/plain", "7-ab", "1700000000000.00001", "eventual", "n 1"))
        self.assertEqual(got.text, "hello")

    def test_paths_and_headers_as_they_go_on_the_wire(self):
        m = self.member(created)
        c = self.client(m.endpoint)
        c.put("a b/100%/ü?#;+/%2F", "x", level=kvs.QUORUM)
        c.put("a", b"x", if_match=["1", "2"], ttl=90, key="kü")
        c.put("a", b"x", if_absent=True, ttl="90m", content_type="image/png")
        c.delete("a", if_match="*")
        target, (_, t2, h2, _), (_, _, h3, _), (method, _, h4, _) = m.seen[0][1], *m.seen[1:]
        self.assertEqual(target, "/kv/a%20b/100%25/%C3%BC%3F%23%3B%2B/%252F?consistency=quorum")
        self.assertEqual((t2, h2["If-Match"], h2["Kvs-TTL"]), ("/kv/a?consistency=linearizable", '"1","2"', "90"))
        self.assertEqual(h2["Idempotency-Key"].encode("latin-1"), "kü".encode())
        self.assertEqual((h3["If-None-Match"], h3["Kvs-TTL"], h3["Content-Type"]), ("*", "90m", "image/png"))
        self.assertEqual((method, h4["If-Match"]), ("DELETE", "*"))

    def test_what_cannot_be_sent_asks_no_member(self):
        m = self.member(created)
        c = self.client(m.endpoint)
        for wrong in (lambda: c.put("a//b", ""), lambda: c.put("a", "", key="a\nb"), lambda: c.get("x" * 2000),
                      lambda: c.put("a", "", content_type="a\r\nX: y"), lambda: list(c.list("no-slash")),
                      lambda: c.put("a", "", if_match=""), lambda: c.put("a", "", if_match="1", if_absent=True)):
            self.assertRaises(ValueError, wrong)
        self.assertEqual(m.asked, 0)
        for endpoint in ("", "host", ":7001", "host:", "ftp://host:1", "http://host:1/kv", "http://u@host:1"):
            self.assertRaises(ValueError, kvs.Client, endpoint)
        self.assertRaises(ValueError, kvs.Client)
        self.assertRaises(ValueError, kvs.Client, "a:1", token="secret")

    def test_silent_endpoint_is_passed_over(self):
        c = self.client(silent(), self.member(created).endpoint, retry_delay_min=3600, retry_delay_max=3600)
        written = c.put("a", "x")
        self.assertTrue(written.created)
        self.assertEqual(c._preferred, 1)

    def test_no_member_is_there(self):
        e = self.fails(kvs.Unavailable, lambda: self.client(silent(), silent(), attempts=5).delete("a"))
        self.assertEqual((e.code, e.outcome, e.attempts, e.status), ("unreachable", kvs.NOT_APPLIED, 5, 0))
        self.assertIn("nothing was written", str(e))

    def test_unknown_write_is_left_to_the_caller(self):
        for script in (hang_up, refusal(504, "timeout", kvs.UNKNOWN)):
            m = self.member(script, created)
            e = self.fails(kvs.Unavailable, lambda: self.client(m.endpoint).put("a", "x"))
            self.assertEqual((e.outcome, e.retryable, m.asked), (kvs.UNKNOWN, True, 1))
            self.assertIn("read before you write again", str(e))

    def test_unknown_write_is_tried_again_when_that_is_safe(self):
        for options, key in (({"retry_unknown": True}, ""), ({}, "k")):
            m = self.member(hang_up, refusal(503, "no_quorum", kvs.UNKNOWN), created)
            self.client(m.endpoint, **options).put("a", "x", key=key)
            self.assertEqual(m.asked, 3)

    def test_later_refusal_does_not_undo_an_unknown_outcome(self):
        m = self.member(hang_up, refusal(503, "read_only", kvs.NOT_APPLIED))
        e = self.fails(kvs.Unavailable, lambda: self.client(m.endpoint, attempts=2).put("a", "x", key="k"))
        self.assertEqual((e.code, e.outcome), ("read_only", kvs.UNKNOWN))

    def test_refused_write_is_tried_elsewhere(self):
        one, two = self.member(refusal(503, "read_only", kvs.NOT_APPLIED)), self.member(created)
        self.client(one.endpoint, two.endpoint).put("a", "x")
        self.assertEqual((one.asked, two.asked), (1, 1))

    def test_definite_answers_are_not_repeated(self):
        for status, code, cls in ((404, "not_found", kvs.NotFound), (400, "bad_path", kvs.BadRequest),
                                  (403, "not_allowed", kvs.NotAllowed), (401, "unauthenticated", kvs.NotAllowed)):
            m = self.member(refusal(status, code, retryable=False))
            e = self.fails(cls, lambda: self.client(m.endpoint).get("a"))
            self.assertEqual((e.code, e.outcome, e.detail, m.asked), (code, "", "because", 1))
        m = self.member(refusal(412, "precondition_failed", kvs.NOT_APPLIED, retryable=False, etag="9"))
        e = self.fails(kvs.PreconditionFailed, lambda: self.client(m.endpoint).put("a", "x", if_match="8"))
        self.assertEqual((e.etag, e.outcome), ("9", kvs.NOT_APPLIED))

    def test_read_cut_short_is_tried_again(self):
        def short(h):
            h.send_response(200)
            h.send_header("Content-Length", "100")
            h.end_headers()
            h.wfile.write(b"half")
            h.wfile.flush()
            hang_up(h)
        self.assertEqual(self.client(self.member(short, value(b"whole")).endpoint).get("a").body, b"whole")

    def test_something_else_answers(self):
        page = lambda status: lambda h: h.answer(status, b"<h1>hello</h1>", Content_Type="text/html")
        e = self.fails(kvs.Unavailable, lambda: self.client(self.member(page(502)).endpoint).put("a", "x"))
        self.assertEqual((e.outcome, e.attempts), (kvs.UNKNOWN, 1))
        self.assertIn("HTTP 502", str(e))
        e = self.fails(kvs.Error, lambda: self.client(self.member(page(200)).endpoint).status())
        self.assertIn("not the JSON", str(e))

    def test_an_attempt_has_an_end(self):
        m = self.member(stand_still)
        c = self.client(m.endpoint, silent(), attempts=1, attempt_timeout=0.05)
        e = self.fails(kvs.Unavailable, lambda: c.put("a", "x"))
        self.assertEqual(e.outcome, kvs.UNKNOWN)
        self.assertEqual(c._preferred, 1, "the next operation begins elsewhere")

    def test_the_answer_of_a_member_outweighs_silence(self):
        m = self.member(refusal(503, "no_quorum"))
        e = self.fails(kvs.Unavailable, lambda: self.client(m.endpoint, silent(), silent(), attempts=3).get("a"))
        self.assertEqual((e.code, e.attempts), ("no_quorum", 3))

    def test_deadline_travels(self):
        m = self.member(refusal(504, "overdue", kvs.NOT_APPLIED), created)
        before = time.time()
        self.client(m.endpoint).put("a", "x")
        self.assertGreaterEqual(int(m.seen[0][2]["Kvs-Deadline"]), int((before + 30) * 1000))
        self.assertNotIn("Kvs-Deadline", m.seen[1][2], "the clocks differ: no deadlines any more")

    def test_connections_are_used_again_and_ended_ones_are_not(self):
        m = self.member(created)
        c = self.client(m.endpoint)
        for _ in range(3):
            c.put("a", "x")
        (connection,) = c._idle[0]
        connection.sock.shutdown(socket.SHUT_RDWR)
        c.put("a", "x")
        self.assertEqual(m.asked, 4)

    def test_listing_walks_all_pages(self):
        def page(h):
            n = int(h.path.partition("after=")[2] or 0)
            doc = {"directory": "d/", "more": n < 4, "entries": [
                {"path": str(n + i), "name": str(n + i), "bytes": 1} for i in (1, 2)]}
            if doc["more"]:
                doc["next"] = str(n + 2)
            h.answer(200, json.dumps(doc).encode(), Content_Type="application/json")
        m = self.member(page)
        got = [e.path for e in self.client(m.endpoint).list("d/", recursive=True, limit=2)]
        self.assertEqual(got, ["1", "2", "3", "4", "5", "6"])
        self.assertEqual(m.seen[1][1], "/kv/d/?recursive=true&limit=2&after=2")
        circle = {"directory": "", "more": True, "entries": [], "next": ""}
        m = self.member(lambda h: h.answer(200, json.dumps(circle).encode()))
        self.assertIn("circles", str(self.fails(kvs.Error, lambda: list(self.client(m.endpoint).list()))))

    def test_batch_is_tried_again_when_that_is_safe(self):
        results = json.dumps({"results": [{"op": "put", "path": "a", "status": 201, "etag": "7-ab"}], "failed": 0}).encode()
        m = self.member(hang_up, lambda h: h.answer(207, results))
        got = self.client(m.endpoint).batch([kvs.Operation.put("a", "x", key="k")])
        self.assertEqual((m.asked, got[0].written.created, got[0].written.etag), (2, True, "7-ab"))
        m = self.member(hang_up, lambda h: h.answer(207, results))
        e = self.fails(kvs.Unavailable, lambda: self.client(m.endpoint).batch([kvs.Operation.put("a", "x")]))
        self.assertEqual((m.asked, e.outcome), (1, kvs.UNKNOWN))
        m = self.member(lambda h: h.answer(207, results))
        two = [kvs.Operation.put("a", "x"), kvs.Operation.delete("b")]
        e = self.fails(kvs.Error, lambda: self.client(m.endpoint).batch(two))
        self.assertEqual(e.outcome, kvs.UNKNOWN)
        for wrong in ([], [kvs.Operation.get("a")] * 129):
            with self.assertRaises(ValueError):
                self.client(m.endpoint).batch(wrong)

    def test_watch_goes_on_with_its_token(self):
        def page(token, *events):
            return lambda h: h.answer(200, json.dumps({"events": events, "token": token, "more": False}).encode())

        m = self.member(page("1", {"event": "snapshot-begin", "token": "0"}, {"event": "snapshot-end", "token": "1"}),
                        hang_up, page("2", {"event": "put", "path": "a/b", "bytes": 2, "value_base64": "AP8=", "token": "2"}),
                        refusal(403, "not_allowed", retryable=False))
        watch = self.client(m.endpoint).watch("a/", values=True)
        self.assertEqual([next(watch).kind for _ in range(2)], ["snapshot-begin", "snapshot-end"])
        got = next(watch)
        self.assertEqual((got.kind, got.path, got.body, got.token), ("put", "a/b", b"\x00\xff", "2"))
        self.fails(kvs.NotAllowed, lambda: next(watch))
        targets = [seen[1] for seen in m.seen]
        self.assertEqual(targets[0], "/kv/a/?values=true&watch=true&wait=15000ms")
        self.assertEqual([t.partition("&since=")[2] for t in targets], ["", "1", "1", "2"])


@unittest.skipUnless(ENDPOINTS, "KVS_TEST_ENDPOINTS names no nodes")
class RealNodes(unittest.TestCase):
    def setUp(self):
        self.store = kvs.Client(*ENDPOINTS)
        self.addCleanup(self.store.close)
        self.at = "python/%s/" % self.id().rpartition(".")[2]

    def test_values(self):
        path = self.at + "ü b/100%"
        for level in (kvs.EVENTUAL, kvs.QUORUM, kvs.LINEARIZABLE):
            written = self.store.put(path, "text " + level, level=level)
            got = self.store.get(path, level=kvs.LINEARIZABLE)
            self.assertEqual((got.text, got.etag, got.timestamp), ("text " + level, written.etag, written.timestamp))
            self.assertEqual((written.level, got.content_type), (level, "text/plain; charset=utf-8"))
        self.store.put(path, bytes(range(256)), content_type="image/x", level=kvs.QUORUM)
        got = self.store.get(path, level=kvs.QUORUM)
        self.assertEqual((got.body, got.content_type, got.expires), (bytes(range(256)), "image/x", ""))
        self.store.delete(path, level=kvs.QUORUM)
        with self.assertRaises(kvs.NotFound):
            self.store.get(path, level=kvs.QUORUM)
        self.store.put(self.at + "empty", b"", level=kvs.QUORUM)
        self.assertEqual(self.store.get(self.at + "empty", level=kvs.QUORUM).body, b"")

    def test_conditions(self):
        path = self.at + "x"
        first = self.store.put(path, "1", if_absent=True)
        self.assertTrue(first.created)
        with self.assertRaises(kvs.PreconditionFailed) as caught:
            self.store.put(path, "2", if_absent=True)
        self.assertEqual((caught.exception.etag, caught.exception.outcome), (first.etag, kvs.NOT_APPLIED))
        second = self.store.put(path, "2", if_match=first.etag)
        with self.assertRaises(kvs.PreconditionFailed):
            self.store.delete(path, if_match=first.etag)
        self.store.delete(path, if_match=[first.etag, second.etag])
        with self.assertRaises(kvs.PreconditionFailed):
            self.store.put(path, "3", if_match="*")

    def test_keys_apply_a_write_once(self):
        path, key = self.at + "x", kvs.new_key()
        first = self.store.put(path, "1", key=key)
        self.store.put(path, "2", level=kvs.LINEARIZABLE)
        again = self.store.put(path, "1", key=key)
        self.assertEqual(again.etag, first.etag)
        self.assertEqual(self.store.get(path, level=kvs.LINEARIZABLE).text, "2")
        with self.assertRaises(kvs.BadRequest) as caught:
            self.store.put(path, "other", key=key)
        self.assertEqual(caught.exception.code, "idempotency_key_reused")

    def test_ttl(self):
        self.store.put(self.at + "x", "1", ttl=3600, level=kvs.QUORUM)
        self.assertRegex(self.store.get(self.at + "x", level=kvs.QUORUM).expires, r"^\d{4}-\d\d-\d\dT")
        self.store.put(self.at + "y", "1", ttl="1s", level=kvs.LINEARIZABLE)
        until = time.monotonic() + 60
        with self.assertRaises(kvs.NotFound):
            while time.monotonic() < until:
                self.store.get(self.at + "y", level=kvs.LINEARIZABLE)
        with self.assertRaises(kvs.BadRequest) as caught:
            self.store.put(self.at + "z", "1", ttl="1ms")
        self.assertEqual((caught.exception.code, caught.exception.outcome), ("bad_header", kvs.NOT_APPLIED))

    def test_listing(self):
        with kvs.Client(ENDPOINTS[0]) as store:  # listings show what one member has.
            for name in ("a", "b/c", "b/d", "ü e"):
                store.put(self.at + name, name)
            top = list(store.list(self.at))
            self.assertEqual([e.name for e in top], ["a", "b/", "ü e"])
            self.assertEqual([e.directory for e in top], [False, True, False])
            self.assertIsNone(top[1].bytes)
            deep = list(store.list(self.at, recursive=True, limit=1))
            self.assertEqual([e.path for e in deep], [self.at + n for n in ("a", "b/c", "b/d", "ü e")])
            self.assertEqual([e.bytes for e in deep], [1, 3, 3, 4])
            self.assertIsNone(deep[0].body)
            store.put(self.at + "b/c", b"\xff", ttl=3600)
            both = list(store.list(self.at + "b/", values=True))
            self.assertEqual([e.body for e in both], [b"\xff", b"b/d"])
            self.assertEqual([bool(e.expires) for e in both], [True, False])
            self.assertEqual(deep[0].etag, store.get(self.at + "a").etag)
            self.assertEqual(list(store.list(self.at, after=self.at + "b/zzz"))[0].name, "ü e")
            self.assertEqual(list(store.list(self.at + "none/")), [])

    def test_batch(self):
        c = self.store
        first = c.batch([kvs.Operation.put("batch/a", b"\x00\xff", content_type="image/png", if_absent=True),
                         kvs.Operation.put("batch/b", "ü", level=kvs.QUORUM, ttl="90m", key=kvs.new_key())])
        self.assertEqual([(r.error, r.written.created) for r in first], [(None, True)] * 2)
        got = c.batch([kvs.Operation.get("batch/a", level=kvs.LINEARIZABLE), kvs.Operation.get("batch/b", level=kvs.QUORUM),
                       kvs.Operation.get("batch/none"), kvs.Operation.put("batch/a", "y", if_absent=True),
                       kvs.Operation.delete("batch/b", if_match=first[1].written.etag)])
        self.assertEqual((got[0].value.body, got[0].value.content_type), (b"\x00\xff", "image/png"))
        self.assertEqual(got[1].value.text, "ü")
        self.assertTrue(got[1].value.expires)
        self.assertIsInstance(got[2].error, kvs.NotFound)
        self.assertIsInstance(got[3].error, kvs.PreconditionFailed)
        self.assertEqual((got[3].error.outcome, got[3].error.etag), (kvs.NOT_APPLIED, first[0].written.etag))
        self.assertIsNone(got[4].error)

    def test_watch(self):
        c = kvs.Client(ENDPOINTS[0])
        self.addCleanup(c.close)
        c.put("watched/there", "1")
        watch = c.watch("watched/", values=True)
        begin, there, end = next(watch), next(watch), next(watch)
        self.assertEqual((begin.kind, there.kind, there.path, there.body, end.kind),
                         ("snapshot-begin", "put", "watched/there", b"1", "snapshot-end"))
        self.store.put("elsewhere", "x")
        with kvs.Client(ENDPOINTS[-1]) as other:
            other.put("watched/new", "2")
        new = next(e for e in watch if e.kind != "bookmark")
        self.assertEqual((new.kind, new.path, new.body), ("put", "watched/new", b"2"))
        c.delete("watched/there")
        # another watch goes on after an event of this one, with no snapshot.
        gone = next(e for e in c.watch("watched/", since=new.token) if e.kind != "bookmark")
        self.assertEqual((gone.kind, gone.path), ("delete", "watched/there"))

    def test_compare_and_set_by_threads(self):
        path, failures = self.at + "n", queue.Queue()
        self.store.put(path, "0", level=kvs.LINEARIZABLE)

        def count():
            try:
                for _ in range(10):
                    while True:
                        now = self.store.get(path, level=kvs.LINEARIZABLE)
                        try:
                            self.store.put(path, str(int(now.text) + 1), if_match=now.etag, key=kvs.new_key())
                            break
                        except kvs.PreconditionFailed:
                            continue
            except Exception as e:  # told by the main thread.
                failures.put(e)
        threads = [threading.Thread(target=count) for _ in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertTrue(failures.empty(), failures.queue)
        self.assertEqual(self.store.get(path, level=kvs.LINEARIZABLE).text, "40")

    def test_one_of_the_endpoints_is_down(self):
        with kvs.Client(silent(), *ENDPOINTS) as store:
            store.put(self.at + "x", "1", level=kvs.QUORUM)
            self.assertEqual(store.get(self.at + "x", level=kvs.QUORUM).text, "1")

    def test_the_cluster(self):
        self.assertEqual(len(self.store.members()), len(ENDPOINTS))
        self.assertEqual(len(self.store.voters()["voters"]), len(ENDPOINTS))
        with kvs.Client(ENDPOINTS[0]) as store:
            self.assertEqual(store.status()["mode"], "normal")
        self.assertEqual(self.store.conflicts(prefix="python/", limit=5), [])

    def test_mistakes_are_told(self):
        with self.assertRaises(kvs.BadRequest) as caught:
            self.store.get("a", level="strong")
        self.assertEqual(caught.exception.code, "bad_consistency")


@unittest.skipUnless(SECURE, "KVS_TEST_SECURE names no node")
class Secure(unittest.TestCase):
    def test_tls_and_token(self):
        with open(os.environ["KVS_TEST_TOKEN"], encoding="ascii") as f:
            token = f.read().strip()
        ca = os.environ["KVS_TEST_CA"]
        with kvs.Client(SECURE, ca=ca, token=token) as store:
            store.put("app/a", "v")
            for _ in range(3):  # a connection that was idle is used again.
                self.assertEqual(store.get("app/a").text, "v")
        with kvs.Client(SECURE, ca=ca) as store:
            with self.assertRaises(kvs.NotAllowed) as caught:
                store.put("app/a", "w")
            self.assertEqual((caught.exception.code, caught.exception.outcome), ("unauthenticated", kvs.NOT_APPLIED))
        with kvs.Client("https://" + SECURE, attempts=1) as store:  # this machine does not trust the authority.
            with self.assertRaises(kvs.Unavailable) as caught:
                store.put("app/a", "w")
            self.assertEqual(caught.exception.outcome, kvs.NOT_APPLIED)
        with kvs.Client(SECURE, attempts=1) as store:
            self.assertRaises(kvs.Unavailable, store.get, "app/a")


if __name__ == "__main__":
    unittest.main()
