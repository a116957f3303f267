# A PgBouncer of one's own, as deploy/postgres/pgbouncer.ini has it. Sourced, not run; it wants .ci/lib/stage.sh before it.
#
#   find_pooler                                       sets pgbouncer to a program that is new enough, or fails
#   start_pooler NAME PORT POSTGRES_PORT [SED…]       starts one; SED changes its settings further

pgbouncer=''

# Debian 12 has one that is too old: then a newer one is built from Debian's own sources, below target/.
find_pooler() {
    local candidate
    for candidate in "$(PATH=$PATH:/usr/sbin command -v pgbouncer || true)" target/pgbouncer/pgbouncer; do
        [[ -x $candidate ]] && is_new_enough "$candidate" && pgbouncer=$candidate && return
    done
    echo "PgBouncer 1.21 or later is not here: building one in target/pgbouncer" >&2
    need apt-get dpkg-source make cc pkg-config
    pkg-config --exists libevent openssl || { echo "this needs libevent-dev and libssl-dev" >&2 && return 1; }
    build_pooler >"$folder/pgbouncer-build.log" 2>&1 || { cat "$folder/pgbouncer-build.log" >&2 && return 1; }
    pgbouncer=target/pgbouncer/pgbouncer
    is_new_enough "$pgbouncer"
}

is_new_enough() {
    local version
    version=$("$1" --version | sed -n 's/^PgBouncer //p')
    [[ $(printf '1.21\n%s\n' "$version" | sort --version-sort | head -n 1) == 1.21 ]]
}

build_pooler() {
    local apt=$PWD/target/pgbouncer-apt
    rm -rf "$apt" target/pgbouncer
    mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
    echo "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian trixie main" >"$apt/sources.list"
    local options=(-o "Dir::Etc::sourcelist=$apt/sources.list" -o Dir::Etc::sourceparts=/dev/null
        -o "Dir::State::lists=$apt/lists" -o "Dir::Cache=$apt/cache")
    apt-get "${options[@]}" update
    (cd "$apt" && apt-get "${options[@]}" source --download-only pgbouncer)
    dpkg-source --no-check -x "$apt"/pgbouncer_*.dsc target/pgbouncer
    (cd target/pgbouncer && ./configure --without-cares && make -j2 pgbouncer)
}

start_pooler() {
    local settings=$folder/$1.ini change
    local changes=(-e "s/port=5432/port=$3/" -e "s/^listen_port = .*/listen_port = $2/"
        -e 's/^auth_type = .*/auth_type = trust/' -e "s|^auth_file = .*|auth_file = $folder/pooler-users.txt|")
    for change in "${@:4}"; do changes+=(-e "$change"); done
    printf '"%s" ""\n' postgres carnet_calls >"$folder/pooler-users.txt"
    sed "${changes[@]}" deploy/postgres/pgbouncer.ini >"$settings"
    local account=()
    if (($(id -u) == 0)); then account=(--user="$owner"); fi
    "$pgbouncer" --quiet "${account[@]}" "$settings" 2>>"$folder/$1.log" &
    process[$1]=$!
    await 10 sql "$2" 'SELECT 1' carnet
}
