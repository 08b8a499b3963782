#!/usr/bin/env bash
# The whole life of a daemon, as a person at a shell lives it: three configurations, start, write, read elsewhere, kill,
# start again, restart, logs, stop. Nodes are started with `kvs start` and ended with `kvs stop`, never as background jobs.
#
# It needs bin/kvs (make build). HOME is a folder of its own below integration_test/scratch, which git ignores, so the nodes
# of the person who runs it are left alone. Everything that was started is stopped, also after a failure.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
kvs=${KVS_BINARY:-$here/../bin/kvs}
kvs=$(cd "$(dirname "$kvs")" 2>/dev/null && pwd)/$(basename "$kvs") # absolute, for it changes folders.
[[ -x $kvs ]] || { echo "no $kvs; run \`make build\` first" >&2; exit 1; }

scratch=$here/scratch/shell-$$
mkdir -p "$scratch/home"
export HOME=$scratch/home
unset KVS_HOME KVS_ENDPOINTS
logs=$HOME/.kvs/logs

say() { printf '%s\n' "-- $*"; }

fail() {
  echo "FAIL: $*" >&2
  exit 1
}

finish() {
  local code=$?
  trap - EXIT
  "$kvs" stop "$scratch/cluster/node1.yaml" "$scratch/cluster/node2.yaml" "$scratch/cluster/node3.yaml" >/dev/null 2>&1 || true
  if [[ $code -eq 0 ]]; then
    rm -rf "$scratch"
    echo "integration_test.sh: ok"
  else
    for log in "$logs"/*.log; do
      [[ -e $log ]] && { echo "== $log" >&2; tail -n 20 "$log" >&2; }
    done
    echo "integration_test.sh: FAILED; configurations, data and logs are kept in $scratch" >&2
  fi
  exit "$code"
}
trap finish EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# expect CODE COMMAND...: the command ends with that code; what it said is in $out.
expect() {
  local want=$1 got=0
  shift
  out=$("$@" 2>&1) || got=$?
  [[ $got -eq $want ]] || fail "\`${*/#$kvs/kvs}\` ended with $got instead of $want and said: $out"
}

# has TEXT: what the last command said contains it.
has() { [[ $out == *"$1"* ]] || fail "'$1' is missing in: $out"; }

# await SECONDS WHAT COMMAND...: until the command succeeds.
await() {
  local deadline=$((SECONDS + $1)) what=$2
  shift 2
  until "$@"; do
    ((SECONDS < deadline)) || fail "waited too long until $what"
    sleep 0.1
  done
}

taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# Three ports in a row that nobody listens on, below the range from which the system hands out its own.
free_ports() {
  local base try
  for try in $(seq 50); do
    base=$((20000 + RANDOM % 10000))
    taken $base || taken $((base + 1)) || taken $((base + 2)) || { echo $base; return; }
  done
  fail "no three free ports in a row on 127.0.0.1"
}

shows() { [[ $("$kvs" get "$1" --endpoint "$2" 2>/dev/null) == "$3" ]]; }
all_alive() { [[ $("$kvs" status node1 node2 node3 2>/dev/null | grep -c '3/3 alive') -eq 3 ]]; }
pid_of() { "$kvs" status "$1" --output json | sed -n 's/^ *"pid": \([0-9]*\),*$/\1/p' | head -n 1; }
# A killed process that nobody has reaped yet is gone, too.
is_gone() { ! kill -0 "$1" 2>/dev/null || grep -qs '^State:[[:space:]]*Z' "/proc/$1/status"; }

base=$(free_ports)
one=127.0.0.1:$base two=127.0.0.1:$((base + 1)) three=127.0.0.1:$((base + 2))

say "three configurations"
expect 0 "$kvs" init --nodes 3 --dir "$scratch/cluster" --base-port "$base" --cluster "shell-$$"
cd "$scratch/cluster"
for n in 1 2 3; do [[ -s node$n.yaml ]] || fail "init wrote no node$n.yaml"; done
expect 3 "$kvs" status node1

say "start: with and without .yaml, once and again"
expect 0 "$kvs" start --wait node1 node2.yaml ./node3.yaml
has "node1: started, pid"
expect 0 "$kvs" start node1.yaml
has "already running"
await 30 "every member sees three alive" all_alive
expect 0 "$kvs" status node1.yaml
has "running"

say "put at one node, get at another"
expect 0 "$kvs" put greetings/hello "hi there" --endpoint "$one"
has "created greetings/hello"
await 20 "node 3 has the value" shows greetings/hello "$three" "hi there"
await 20 "node 2 has the value" shows greetings/hello "$two" "hi there"
expect 0 "$kvs" ls greetings --endpoint "$two"
has "greetings/hello"

say "kill -9: status tells it once, start brings the data back"
pid=$(pid_of node2)
[[ -n $pid ]] || fail "no pid in the status of node2"
kill -KILL "$pid"
await 10 "node 2 is gone" is_gone "$pid"
expect 1 "$kvs" status node2
has "dead"
expect 3 "$kvs" status node2
expect 0 "$kvs" put greetings/hello "hi again" --endpoint "$one"
expect 0 "$kvs" start --wait node2
await 30 "node 2 catches up" shows greetings/hello "$two" "hi again"

say "restart from another folder keeps the data"
cd "$scratch"
before=$(pid_of cluster/node1.yaml)
expect 0 "$kvs" restart --wait cluster/node1.yaml
has "node1: stopped"
has "node1: started"
[[ $(pid_of cluster/node1.yaml) != "$before" ]] || fail "node1 has the same pid after the restart"
expect 0 "$kvs" get greetings/hello --endpoint "$one"
has "hi again"
cd cluster

say "delete, and what is not there"
expect 0 "$kvs" delete greetings/hello --endpoint "$three"
gone() { ! "$kvs" get greetings/hello --endpoint "$one" >/dev/null 2>&1; }
await 20 "the deletion reaches node 1" gone

say "stop"
pids="$(pid_of node1) $(pid_of node2) $(pid_of node3)"
expect 0 "$kvs" stop node1 node2.yaml node3
[[ $(wc -w <<<"$pids") -eq 3 ]] || fail "not three pids: $pids"
for pid in $pids; do is_gone "$pid" || fail "process $pid is still there after the stop"; done
expect 0 "$kvs" stop node1
has "not running"
[[ -z $(ls "$HOME/.kvs/pids") ]] || fail "PID files are left: $(ls "$HOME/.kvs/pids")"

say "logs are in ~/.kvs/logs"
[[ $(ls "$logs" | wc -l) -eq 3 ]] || fail "not three logs in $logs: $(ls "$logs")"
for n in 1 2 3; do
  grep -q stopping "$logs"/node$n-*.log || fail "the log of node$n does not tell that it stopped"
done
expect 0 "$kvs" logs node1
has "stopping"

say "KVS_HOME moves them"
export KVS_HOME=$scratch/elsewhere
expect 0 "$kvs" start --wait node1
[[ $(ls "$KVS_HOME/logs" | wc -l) -eq 1 ]] || fail "no log in KVS_HOME/logs"
expect 0 "$kvs" stop node1
unset KVS_HOME
