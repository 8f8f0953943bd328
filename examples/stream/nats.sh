#!/usr/bin/env bash
# Sends 3,000 records of 100 keys through a NATS server of its own to so many workers. If there are
# several, one of them is killed on the way.
# Run: bash examples/stream/nats.sh WORKERS
set -euo pipefail
guest=target/wasm32-wasip2/debug/stream_count_guest.wasm
nats=target/debug/stream_nats_host
dir=$(mktemp -d)
workers=
stop() { # first the workers, so that they can put down what they have in hand
    kill $workers 2> "$dir/log" || true
    wait $workers
    kill "$server"
    wait
    rm -r "$dir"
}
trap stop EXIT

# Port -1 is a free one. The server says in its log which.
nats-server -js -sd "$dir" -a 127.0.0.1 -p -1 2> "$dir/log" &
server=$!
until grep -q "Server is ready" "$dir/log"; do sleep 0.1; done
port=$(sed -n "s/.*client connections on 127.0.0.1://p" "$dir/log")
export NATS_URL="nats://127.0.0.1:$port"

for i in $(seq 3000); do
    echo "{\"key\": \"sensor.$((i % 100))\", \"value\": {\"celsius\": $((i % 50))}}"
done | "$nats" send

for worker in $(seq "$1"); do
    "$nats" work --ack-wait 1 "$guest" &
    workers="$workers $!"
done
if [ "$1" -gt 1 ]; then
    until [ "$("$nats" status | awk '/^results/ { print $2 }')" -ge 1000 ]; do sleep 0.1; done
    disown $! # of what ends by a signal, the shell would speak
    kill -9 $!
    echo "worker $worker is killed"
fi

"$nats" status --wait
echo "keys that were counted to 30: $("$nats" read | grep -c '"count":30,')"
