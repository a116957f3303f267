# What steps of the acceptance have in common: servers, databases, clients, and what they leave behind. Sourced, not run;
# it wants $folder, $python and $program, and .ci/lib/private_postgres.sh before it.

declare -A process
disks=()

need() {
    local tool
    for tool in "$@"; do
        PATH=$PATH:/usr/sbin command -v "$tool" >/dev/null || { echo "this needs $tool" >&2 && exit 1; }
    done
}

stop_all() {
    local name data
    for name in "${!process[@]}"; do kill "${process[$name]}" 2>/dev/null || true; done
    for name in "${!process[@]}"; do wait "${process[$name]}" 2>/dev/null || true; done
    for data in "$folder"/*/postmaster.pid; do
        [[ -e $data ]] && as_owner "$postgres_binaries/pg_ctl" -D "$(dirname "$data")" -m immediate stop >/dev/null
    done
    for data in "${disks[@]}"; do umount --lazy "$data"; done
    rm -rf "$folder"
}
pg() { as_owner "$postgres_binaries/$1" "${@:2}"; }

# start_database NAME PORT [SETTING…]: of a data folder that is there.
start_database() {
    local settings="-p $2 -c listen_addresses=127.0.0.1 -c unix_socket_directories=$folder" setting
    for setting in "${@:3}"; do settings+=" -c $setting"; done
    pg pg_ctl -D "$folder/$1" -l "$folder/$1.log" -w -t 60 start -o "$settings" >/dev/null
}

# make_database NAME PORT [SETTING…]
make_database() {
    find_postgres initdb postgres pg_ctl pg_basebackup psql
    mkdir -p "$folder/$1"
    chmod 700 "$folder/$1"
    touch "$folder/$1.log"
    if (($(id -u) == 0)); then chown "$owner" "$folder" "$folder/$1" "$folder/$1.log"; fi
    pg initdb -D "$folder/$1" -U postgres --auth=trust --encoding=UTF8 --locale=C >/dev/null
    start_database "$1" "$2" wal_level=replica "${@:3}"
}

sql() { "$postgres_binaries/psql" -X -q -t -A -v ON_ERROR_STOP=1 -h 127.0.0.1 -U postgres -p "$1" -c "$2" "${3:-postgres}"; }

# await SECONDS COMMAND…
await() {
    local tries
    for ((tries = 0; tries < $1 * 10; tries++)); do
        "${@:2}" >/dev/null 2>&1 && return
        sleep 0.1
    done
    echo "waited $1 s in vain for: ${*:2}" >&2
    return 1
}

# serve NAME GRPC_PORT HTTP_PORT DATABASE_URL: starts a replica and waits until it is ready.
serve() {
    "$program" serve --database-url "$4" --grpc-address "127.0.0.1:$2" --http-address "127.0.0.1:$3" \
        --mail-capture-folder "$folder/mail" --log-format json 2>>"$folder/serve-$1.log" &
    process[$1]=$!
    await 60 is_ready "$3"
}

is_ready() { grep -q '"ready":true' <(exec 3<>"/dev/tcp/127.0.0.1/$1" && printf 'GET /readyz HTTP/1.0\r\n\r\n' >&3 && cat <&3); }

# A business with customers whose packages are large enough for any run; sets CARNET_TOKEN and writes $folder/packages.
fill() {
    local url=$1 address=$2 customer
    export CARNET_DATABASE_URL=$url CARNET_ADDRESS=http://$address
    business=$("$program" business create Acceptance | grep -o 'biz_[a-z0-9]*' | head -n 1)
    CARNET_TOKEN=$("$program" token create --business "$business" | tail -n 1)
    export CARNET_TOKEN
    call CatalogService/CreateCreditType '{"credit_type": {"external_id": "lesson", "name": "lesson", "name_plural": "lessons"}}'
    call CatalogService/CreateItem '{"item": {"external_id": "swim", "name": "Lesson", "active": true}}'
    call CatalogService/CreateTemplate '{"template": {"external_id": "many", "name": "Many",
        "price": {"currency_code": "EUR", "minor_units": "100000000"}, "validity": {"never": {}},
        "lines": [{"kind": "LINE_KIND_PREPAID", "credit_type_id": "ext:lesson", "quantity": "1000000",
            "covers": [{"item_id": "ext:swim"}]}]}}'
    call CatalogService/ActivateTemplate '{"template_id": "ext:many"}'
    for customer in one two three four five; do
        call CustomerService/CreateCustomer "{\"customer\": {\"external_id\": \"$customer\", \"name\": \"$customer\", \"active\": true}}"
        call PackageService/SellPackages "{\"entries\": [{\"customer_id\": \"ext:$customer\", \"template_id\": \"ext:many\",
            \"external_id\": \"of-$customer\", \"recorded\": {\"method\": \"PAYMENT_METHOD_CASH\"}}]}"
        echo "ext:$customer ext:of-$customer ext:swim" >>"$folder/packages"
    done
    unset CARNET_DATABASE_URL
}

call() { "$program" call "$1" "$2" >"$folder/answer" 2>&1 || { cat "$folder/answer" >&2 && return 1; }; }

# What is in a ledger, one posting of a use a line.
uses_on_postgres() { sql "$1" "SELECT posting_id FROM entries WHERE method = 'Consume'" carnet; }
uses_on_sqlite() {
    "$python" -c "import sqlite3, sys, uuid
for row in sqlite3.connect(sys.argv[1]).execute(\"SELECT posting_id FROM entries WHERE method = 'Consume'\"):
    print(uuid.UUID(bytes=row[0]))" "$1"
}

# Every use that was answered with ok is in the ledger once: proves LOG COMMAND…, which prints the ledger's uses.
# (`carnet verify` leaves out what is younger than five minutes, which is all of it.)
proves() {
    "${@:2}" | sort >"$folder/written"
    sed -n 's/^ok //p' "$1" | sort >"$folder/told"
    local lost doubled
    lost=$(comm -13 "$folder/written" "$folder/told" | wc -l)
    doubled=$(uniq -d "$folder/written" | wc -l)
    echo "told ok: $(wc -l <"$folder/told"), written: $(wc -l <"$folder/written"), lost: $lost, doubled: $doubled"
    ((lost == 0 && doubled == 0))
}

# haproxy_for FILE FRONT_PORT LINES: HTTP/2 in front of replicas, whose readiness it asks for.
haproxy_for() {
    cat >"$1" <<TEXT
defaults
    mode http
    timeout connect 2s
    timeout client 60s
    timeout server 60s
    option redispatch
    retries 3
$2
TEXT
    PATH=$PATH:/usr/sbin haproxy -f "$1" -db 2>>"$folder/haproxy.log" &
    process[$1]=$!
}

resident() { awk '/^VmRSS/ { print $2 }' "/proc/$1/status"; }

# steady GRPC_PORT NAME SECONDS: all calls of a client succeed, in time.
steady() {
    "$python" tests/acceptance/steady_client.py "127.0.0.1:$1" "$folder/packages" "$3" "$folder/$2.log" >"$folder/$2.json" ||
        { cat "$folder/$2.json" && return 1; }
    printf '%s: ' "$2" && cat "$folder/$2.json"
    "$python" -c 'import json, sys; told = json.load(open(sys.argv[1])); sys.exit(told["tried_again"] > 0 or told["p99_seconds"] > 1)' "$folder/$2.json"
}

# make_disk NAME SIZE: a disk of that size at $folder/NAME.
make_disk() {
    (($(id -u) == 0)) || { echo "only root can make a disk" >&2 && return 1; }
    mkdir "$folder/$1"
    mount -t tmpfs -o "size=$2" tmpfs "$folder/$1"
    disks+=("$folder/$1")
}
