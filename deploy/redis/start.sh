#!/bin/sh
# Puts the hash of the password where users.acl asks for it, and starts Redis in this process's place.
set -eu
umask 077
here=$(dirname "$0")
acl=${NG_ACL_FILE:-/tmp/users.acl}
hash=$(printf '%s' "$NG_REDIS_PASSWORD" | sha256sum | cut -d' ' -f1)
sed "s/NG_REDIS_PASSWORD_SHA256/$hash/" "$here/users.acl" >"$acl"
unset NG_REDIS_PASSWORD
exec redis-server "$here/redis.conf" --aclfile "$acl" "$@"
