#!/usr/bin/env bash
# Installs the Debian packages that building and testing need. As anybody but root it only says
# which are missing. No daemon of theirs is started: the tests start their own, on loopback.
set -euo pipefail

packages=(
  bind9                           # a name server for the dns check
  build-essential                 # C for ring and SQLite
  chrony                          # a time server for the ntp check
  curl
  dovecot-imapd                   # a mail server for the imap check, and the logins of the smtp check
  dovecot-pop3d                   # the same for the pop3 check
  iproute2                        # network namespaces of the tests that cut routes
  kamailio                        # a server for the sip check
  kamailio-tls-modules            # the same over TLS
  mariadb-server                  # a database for the mysql check
  mosquitto                       # a broker for the mqtt check
  nginx-light                     # the watched sites
  openssh-server                  # a server for the ssh check
  openssl                         # speaks versions of TLS that nobody should speak any more
  postfix                         # a mail server for the smtp check
  postgresql                      # the second engine of the store, and a database for the postgres check
  python3-aiosmtpd                # the mail server
  python3-venv                    # a place for the webhook verifier
  rabbitmq-server                 # a broker for the amqp check
  redis-server                    # a server for the redis check
  slapd                           # a directory for the ldap check
  snmpd                           # an agent for the snmp check
  util-linux                      # setpriv: servers that die with their test; unshare
  vsftpd                          # a file server for the ftp check
)
bench_packages=(
  monitoring-plugins-basic        # check_http
  prometheus-blackbox-exporter
)
compare_packages=(
  bind9-dnsutils                  # dig, by which check_dig asks
  iputils-ping                    # by which check_ping pings
  monitoring-plugins-basic        # check_http, check_tcp, check_ping
  monitoring-plugins-standard     # check_dig
  prometheus-blackbox-exporter
)
api_packages=(
  prometheus                      # promtool
)
# What modules in JavaScript are built with. Whoever has another Node keeps it.
sdk_packages=()
command -v npm >/dev/null || sdk_packages=(nodejs npm)
[ "${1:-}" = sdk ] && packages+=("${sdk_packages[@]}")
[ "${1:-}" = api ] && packages+=("${api_packages[@]}")
[ "${1:-}" = compare ] && packages+=("${compare_packages[@]}")
[ "${1:-}" = bench ] && packages+=("${bench_packages[@]}")

missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

if [ "$(id -u)" -ne 0 ]; then
  echo "setup: these Debian packages are missing; install them as root: apt-get install ${missing[*]}" >&2
  exit 69
fi

# While this stands, package scripts do not start their daemons.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' > "$policy"
  chmod 755 "$policy"
  trap 'rm -f "$policy"' EXIT
fi
export DEBIAN_FRONTEND=noninteractive
apt=(apt-get -qq -o DPkg::Lock::Timeout=600)
"${apt[@]}" update
"${apt[@]}" install --no-install-recommends "${missing[@]}" >/dev/null
