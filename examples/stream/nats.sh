#!/usr/bin/env bash
# Sends 3,000 records of 100 keys through a NATS server of its own to so many workers. If there are
# several, one of them is killed on the way.
# Run: bash examples/stream/nats.sh WORKERS
set -euo pipefail
guest=target/wasm32-wasip2/debug/stream_count_guest.wasm
host=target/debug/stream_host
nats=target/debug/stream_nats_host
fail() { # MESSAGE [STATUS]
    echo "error: $1" >&2
    exit "${2-1}"
}
case ${1-} in
    [1-9] | [1-9][0-9]) ;;
    *) fail "say how many workers, 1 to 99: bash examples/stream/nats.sh 3" 2 ;;
esac
command -v nats-server > /dev/null || fail "nats-server is not installed"
for file in "$guest" "$host" "$nats"; do
    [ -f "$file" ] || fail "there is no $file: build it as examples/stream/README.md does"
done

dir=$(mktemp -d)
server=
workers=
stop() { # first the workers, so that they can put down what they have in hand
    if [ -n "$workers" ]; then
        kill $workers 2> "$dir/log" || true
        wait $workers || true
    fi
    if [ -n "$server" ]; then
        kill "$server" 2> "$dir/log" || true
        wait
    fi
    rm -r "$dir"
}
trap stop EXIT
alive() { # or what this waits for never comes
    for program in $server $workers; do
        kill -0 "$program" 2> "$dir/gone" || fail "the server or a worker has ended"
    done
}

# Port -1 is a free one. The server says in its log which.
nats-server -js -sd "$dir" -a 127.0.0.1 -p -1 2> "$dir/log" &
server=$!
until grep -q "Server is ready" "$dir/log"; do alive; sleep 0.1; done
port=$(sed -n "s/.*client connections on 127.0.0.1://p" "$dir/log")
export NATS_URL="nats://127.0.0.1:$port"

for i in $(seq 3000); do
    echo "{\"key\": \"sensor.$((i % 100))\", \"value\": {\"celsius\": $((i % 50))}}"
done | "$nats" send

for worker in $(seq "$1"); do
    "$nats" work --ack-wait 1 "$guest" &
    workers="$workers $!"
done
count() { "$nats" status | awk -v what="$1" 'index($0, what) == 1 { print $NF }'; }
if [ "$1" -gt 1 ]; then
    until [ "$(count results)" -ge 1000 ]; do alive; sleep 0.1; done
    workers=${workers% *}
    disown $! # of what ends by a signal, the shell would speak
    kill -9 $!
    echo "worker $worker is killed"
fi

until [ "$(count "records left")" -eq 0 ]; do alive; sleep 0.1; done
"$nats" status
echo "keys that were counted to 30: $("$nats" read | grep -c '"count":30,')"
