# A PostgreSQL of one's own, for scripts. Sourced, not run; works as root too, which PostgreSQL itself refuses.
#
#   find_postgres PROGRAM…       sets postgres_binaries to a folder that has them all, or fails
#   free_port                    prints a port that nobody listens on
#   as_owner COMMAND…            runs a command as the account that PostgreSQL runs as

postgres_binaries='' owner=postgres
id -u "$owner" >/dev/null 2>&1 || owner=nobody

find_postgres() {
    local candidate program
    for candidate in "$(pg_config --bindir 2>/dev/null || true)" /usr/lib/postgresql/*/bin /usr/pgsql-*/bin; do
        for program in "$@"; do
            [[ -x $candidate/$program ]] || continue 2
        done
        postgres_binaries=$candidate
    done
    [[ $postgres_binaries ]] || { echo "needed: $*" >&2 && return 1; }
}

free_port() {
    local port
    for port in $(shuf -i 20000-30000 -n 50); do
        if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
            echo "$port" && return
        fi
    done
    return 1
}

as_owner() {
    if (($(id -u) != 0)); then
        "$@"
    elif command -v setpriv >/dev/null; then
        setpriv --reuid="$(id -u "$owner")" --regid="$(id -g "$owner")" --clear-groups -- "$@"
    else
        runuser -u "$owner" -- "$@"
    fi
}
