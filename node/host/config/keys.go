package config

// keyDoc describes one key or section for people. Every key of Config has one; a test checks that.
type keyDoc struct {
	key  string // as in errors: "log.level".
	text string // what it means, its unit, and what it is when the file does not set it.
}

const fileHeader = `The configuration of one kvs node. Every key is shown with its default or chosen value; a key that
is left out has its default. Durations are written 500ms, 10s or 1m; sizes 512B, 64KiB, 1MiB or 2GiB. An unknown key is
an error. In a value, ${NAME} is what the environment says; $${ stands for the two characters. A variable named after a
key, KVS_LISTEN or KVS_LOG_LEVEL, has precedence over the file.`

var keyDocs = []keyDoc{
	{"name", `Name of this node, unique in the cluster, 1 to 255 bytes without slashes. Empty: this file's name
without .yaml.`},
	{"cluster", `Name of the cluster. Members of clusters with another name do not listen to each other.
Default: kvs.`},
	{"listen", `host:port for clients and peers (TCP) and for gossip (UDP, the same port).
Default: 127.0.0.1:7001, this machine only.`},
	{"advertise", `host:port at which the other members reach this node. Empty: the same as listen. Needed when listen
is a wildcard such as 0.0.0.0:7001, or behind an address translation.`},
	{"data_dir", `Folder of this node's data. A relative path begins at this file's folder. Empty: data/NAME.`},
	{"seeds", `Addresses (host:port) of some members to join through. They are tried again for ever; this node's own
address may be among them, so that all members can share one list. Default: [], a cluster of one until another node
joins.`},
	{"expected_members", `Size of the cluster that is being formed. The cluster is founded when so many members have
been up once; until then it answers eventual requests only. 1 is for a node whose seeds name no other: elsewhere it is
taken for 0. Default: 0, this node and its seeds.`},
	{"default_consistency", `Consistency of a request that does not choose: eventual, quorum or linearizable.
Default: eventual.`},
	{"strong_prefixes", `Directories, such as orders/, under which every write is linearizable whatever level it asks
for; / is everything. All members of a new cluster should have the same here: it counts when the cluster is founded, and
kvs policy changes it later. Default: [].`},
	{"read_only", `true refuses every write of clients. Default: false.`},
	{"max_clock_offset", `When this node's clock is further off than this against more than half of the members that are
alive, the node is read-only until it is right again. From 10ms to 24h; it cannot be turned off, but a day is as good as
off. Default: 500ms.`},
	{"value_bytes_max", `Largest value that is accepted, up to 8MiB. Default: 1MiB.`},
	{"requests_max", `Requests that may be in flight in the core at once; more are told to come back later.
Default: 4096.`},
	{"request_timeout", `A request that has no answer by then is answered as timed out; a write may still happen.
Default: 10s.`},
	{"shutdown_timeout", `A graceful stop takes at most this long: requests in flight are answered, peers are sent what
waits for them. Default: 10s.`},
	{"test_clock_file", `For tests alone, and refused unless KVS_TEST_FAULTS=1 is in the environment: a file that says
how wrong the clock is. Empty: the machine's clock.`},
	{"insecure", `true lets a node without TLS listen on an address that other machines reach: each of them can then
read and write everything, and end the cluster. Only for a network that is closed to all others. Default: false.`},
	{"tls", `What the node proves itself with to members and clients, on the one port. Without cert, key and ca nothing
is encrypted. kvs init --secure makes all three; they are read anew when they change, and on SIGHUP. docs/security.md
says more.`},
	{"tls.cert", `File with this node's certificate, PEM. It has to name the node: kvs:///CLUSTER/member/NAME among its
alternative names, and the hosts at which the node is reached. A relative path begins at this file's folder. Empty: no
TLS.`},
	{"tls.key", `File with its private key, PEM, which only this user should be able to read. Empty: no TLS.`},
	{"tls.ca", `File with the authority of the cluster, PEM, or several while one takes the place of another. Empty: no
TLS.`},
	{"tls.mode", `required: nothing is said or heard without TLS. optional: also without, for the time in which a
cluster changes over; members that speak TLS are spoken to with it. Default: required.`},
	{"tls.min_version", `The oldest version that clients may speak, 1.2 or 1.3; members use 1.3. Default: "1.3".`},
	{"auth", `Access of clients. Tokens and their rules belong to the cluster: kvs token makes them.`},
	{"auth.mode", `off: every client that reaches the node may do everything. required: all but /livez needs a token or
a certificate, and the right to do it; this needs tls. Default: off.`},
	{"auth.admin_hash", `SHA-256, in hexadecimal, of the secret of the token kvs1.admin.SECRET, which may do everything.
kvs init --secure makes both. Empty: there is no such token, and administrators have certificates.`},
	{"admin_listen", `host:port at which /livez, /readyz and /metrics are answered as well, without TLS and credentials,
for monitoring. Empty: nowhere.`},
	{"cors_origins", `Origins whose scripts may use the API in a browser, such as https://app.example.org; ["*"] is
every one. They show tokens themselves: cookies and certificates are not sent for them. Default: [], none.`},
	{"console", `Serve the web console at /ui. The page itself needs no credentials, and shows what a token may see.
Default: true.`},
	{"limits", `What clients may take. What goes beyond is refused and counted in kvs_refusals_total.`},
	{"limits.connections_per_address", `Connections that one client address may have open; further ones are closed.
Default: 1024; 0 is no limit.`},
	{"limits.requests_per_second", `Requests of one token, with a burst of as many; further ones get 429 with
Retry-After. Default: 0, no limit.`},
	{"limits.body_bytes_max", `Bytes of all bodies of clients that are on their way; a further one gets 503.
Default: 64MiB.`},
	{"limits.header_bytes_max", `Bytes of a URL and its headers; a longer one gets 431. Default: 16KiB.`},
	{"limits.watchers", `Clients that may watch at once, streams and long polls together; a further one gets 503.
Default: 10000; 0 turns watching off.`},
	{"limits.changes_max", `Writes whose changes the log on the disk holds, for watchers that come back; with an older
token they get a snapshot. It is kept until there has been no watcher for an hour. Default: 65536.`},
	{"limits.changes_bytes_max", `Bytes of that log: the paths, and no values. Default: 8MiB.`},
	{"limits.read_timeout", `A request that has not arrived by then is answered 408, and the connection closed.
Default: 30s.`},
	{"limits.idle_timeout", `A connection without a request for so long is closed. Default: 2m.`},
	{"audit", `The audit log: sender, address, request and result, a JSON object a line; never a value or a
credential.`},
	{"audit.file", `File that it is written to, set aside as log.bytes_max and log.files_max say. A relative path begins
at this file's folder. Empty: no audit log.`},
	{"audit.what", `admin: what needs the right admin, and what is refused for want of credentials or rights. all: all
but what members say to each other. Default: admin.`},
	{"log", `The log goes to the standard error stream, or, of a node that kvs start runs, to a file in ~/.kvs/logs.`},
	{"log.level", `Least severe lines that are written: debug, info, warn or error. SIGHUP reads it anew.
Default: info.`},
	{"log.format", `text or json. Default: text.`},
	{"log.bytes_max", `A log file that would become larger is set aside, with the time in its name, and a new one begun;
64KiB to 1GiB. SIGHUP opens the file anew, after something else has moved it. Default: 8MiB.`},
	{"log.files_max", `Log files set aside that are kept, up to 1000; the oldest go. Default: 4.`},
	{"disk", `The disk. A full one would end the process, so writes are refused before it is.`},
	{"disk.low_watermark", `With less than this free on the data folder's file system the node is read-only. Writes stop
for good at half of it, so 32MiB is the least. Default: 128MiB.`},
	{"disk.high_watermark", `With at least this free it takes writes again; must be larger than low_watermark.
Default: 192MiB.`},
	{"disk.check_interval", `How often the free space is looked at. Default: 1s.`},
	{"disk.memtable_bytes", `Size of a write buffer of Badger, which holds up to three; the table of changes in
front of it, of 16 MiB, is not part of it. Larger is faster and takes more memory; low_watermark should grow with it.
Default: 8MiB.`},
	{"recorder", `The flight recorder: what the core of this node is given, with its clock and its reads, so that
kvsim relive runs it again. Keys and values are in it. docs/how-to/flight-recorder.md says more.`},
	{"recorder.ring_bytes_max", `Bytes of the files under recorder in data_dir; the oldest are dropped for new
ones. From 16MiB to 4GiB; 0B records nothing. Default: 0B.`},
	{"gossip", `The failure detector. All members should have the same values here.`},
	{"gossip.probe_interval", `How often one other member is probed. Default: 1s.`},
	{"gossip.probe_timeout", `A probe without an answer by then is tried through other members. Less than
probe_interval. Default: 500ms.`},
	{"gossip.indirect_probes", `How many members are asked to try a silent one. Default: 3.`},
	{"gossip.suspicion_mult", `A suspect that others suspect too is declared dead after suspicion_mult x log2(members+1)
x probe_interval. Default: 2.`},
	{"gossip.suspicion_max_mult", `A suspect that no other member suspects has this many times as long. Default: 3.`},
	{"gossip.push_pull_interval", `How often the whole member table is exchanged with one other member. Default: 10s.`},
	{"gossip.dead_dial_interval", `How often dead members and silent seeds are tried again, for ever. Default: 5s.`},
	{"gossip.keyring", `File with the keys that datagrams are sealed with, the same for all members; the node writes it
when kvs keyring changes it. kvs init --secure makes one, kvs keyring create another. With tls.mode optional datagrams
are sent and taken unsealed as well. Empty: not sealed.`},
	{"replication", `How records travel between members.`},
	{"replication.queue_bytes_max", `Records that wait for one peer; beyond it the oldest are dropped, and the
comparison of members repairs that. At least 17MiB. Default: 32MiB.`},
	{"replication.hint_ttl", `What waits for a dead member, its hints, is dropped this long after its death, and nothing
is queued for it until it returns: the comparison of members brings it what it missed. queue_bytes_max bounds hints as
well. Default: 1h.`},
	{"replication.batch_bytes_max", `Records in one message, up to 8MiB. Default: 1MiB.`},
	{"replication.ack_timeout", `A message that is not acknowledged by then is sent again, then after twice as long, and
so on. Default: 1s.`},
	{"replication.retry_delay_max", `The longest pause between two attempts. Default: 10s.`},
	{"replication.sync_interval", `How often this node compares everything it holds with one other member.
Default: 5s.`},
	{"replication.bootstrap_rate", `Bytes a second that this node pulls from another member while it joins with an empty
data folder. Default: 32MiB.`},
	{"replication.bootstrap_wait", `A node that joins with an empty data folder serves what it has when it has reached
no serving member for this long, and for six times as long while it pulls. Default: 10s.`},
	{"replication.tombstone_grace", `What a delete leaves behind stays at least so long, and always until every member
has it, the dead included: remove those that will not return. Idempotency keys of a deleted path are forgotten with it,
so it has to be longer than clients try again; at least 1m. Default: 1h.`},
	{"linearizable", `Operations at the linearizable level.`},
	{"linearizable.forward", `On a path where another member writes as well, a write goes to the preferred proposer of
the path, and so does a read that finds one under way: see the page about the protocol. false: this node runs its
operations itself, and none of others. Default: true.`},
}

func docOf(key string) string {
	for i := range keyDocs {
		if keyDocs[i].key == key {
			return keyDocs[i].text
		}
	}
	return ""
}
