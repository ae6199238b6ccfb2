#!/bin/sh
# Mints an instruction cookie: FARM_KEY_ID=k1 FARM_KEY=... ./mint.sh farm=app member=app1 exp=$(($(date +%s) + 600))
# Set it in a CGI script:  printf 'Set-Cookie: farm=%s; Path=/; HttpOnly; Secure; SameSite=Lax\r\n' "$value"
# KID and KEY are a line KID:KEY of FarmSecretFile. No file with a key is ever to be in the web root.
# openssl gets the key as an argument, which others on this machine can see meanwhile: only where nobody else logs in.
export LC_ALL=C

base64url() { openssl base64 -A | tr '+/' '-_' | tr -d '='; }

escape() {
    for byte in $(printf %s "$1" | od -An -v -tx1); do
        case $byte in
            2[ade] | 3[0-9] | 4[1-9a-f] | 5[0-9af] | 6[1-9a-f] | 7[0-9a]) printf "\\$(printf %o "0x$byte")" ;;
            *) printf %%%02X "0x$byte" ;;
        esac
    done
}

mint() (  # KID KEY name=value ...
    payload='' signed=v1.$1. key=$2 && shift 2
    for field; do
        [ "${field#*=}" != "$field" ] || { echo "not name=value: $field" >&2; exit 1; }
        payload="$payload${payload:+&}$(escape "${field%%=*}")=$(escape "${field#*=}")"
    done
    signed=$signed$(printf %s "$payload" | base64url)
    printf '%s.%s\n' "$signed" "$(printf %s "$signed" | openssl dgst -sha256 -hmac "$key" -binary | base64url)"
)

[ "${0##*/}" != mint.sh ] || mint "${FARM_KEY_ID:?is not set}" "${FARM_KEY:?is not set}" "$@"
