# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Real web servers (Debian's nginx and lighttpd) on a free loopback port, over HTTPS with a CA of
# their own. Sourced by bash scripts; needs no root.
#
#   server_start DIR FOLDER             nginx, HTTP/1.1
#   server_start DIR FOLDER http2       nginx, HTTP/2 for those who offer it
#   server_lighttpd DIR FOLDER          lighttpd, HTTP/2 for those who offer it
#   server_lighttpd DIR FOLDER plain    lighttpd without TLS
#   server_stop
#
# They set SERVER_URL and SERVER_DIR. DIR/access.log has the usual form; DIR/range.log has one line
# for each request: PROTOCOL CONNECTION STATUS BYTES RANGE PATH, with RANGE in quotes.

# server_make_ca DIR: DIR/ca.pem, and a certificate for 127.0.0.1 and localhost.
server_make_ca() {
	local dir=$1
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 \
		-subj "/CN=Pawl test CA" -keyout "$dir/ca.key" -out "$dir/ca.pem" 2>/dev/null
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=127.0.0.1" \
		-keyout "$dir/server.key" -out "$dir/server.csr" 2>/dev/null
	printf 'subjectAltName=IP:127.0.0.1,DNS:localhost\n' >"$dir/ext"
	openssl x509 -req -in "$dir/server.csr" -CA "$dir/ca.pem" -CAkey "$dir/ca.key" \
		-CAcreateserial -days 30 -extfile "$dir/ext" -out "$dir/server.pem" 2>/dev/null
}

server_config() {
	local dir=$1 folder=$2 port=$3 http2=${4:-}
	cat >"$dir/nginx.conf" <<-CONF
		pid $dir/nginx.pid;
		error_log $dir/error.log;
		worker_processes 1;
		events { worker_connections 64; }
		http {
			log_format range '\$server_protocol \$connection \$status \$body_bytes_sent "\$http_range" \$uri';
			access_log $dir/access.log;
			access_log $dir/range.log range;
			client_body_temp_path $dir/tmp;
			proxy_temp_path $dir/tmp;
			fastcgi_temp_path $dir/tmp;
			uwsgi_temp_path $dir/tmp;
			scgi_temp_path $dir/tmp;
			server {
				listen 127.0.0.1:$port ssl $http2;
				ssl_certificate $dir/server.pem;
				ssl_certificate_key $dir/server.key;
				# Two ranges in one request get the whole file: nothing may need them.
				max_ranges 1;
				root $folder;
			}
		}
	CONF
}

server_start() {
	local dir=$1 folder=$2 http2=${3:-} try port
	mkdir -p "$dir/tmp"
	[ -e "$dir/ca.pem" ] || server_make_ca "$dir"
	# nginx's worker drops root: it must be able to reach what it serves.
	[ "$(id -u)" -ne 0 ] || nginx_user="user root;"
	for try in 1 2 3 4 5 6 7 8 9 10; do
		port=$((20000 + (RANDOM + try) % 30000))
		server_config "$dir" "$folder" "$port" "$http2"
		[ -z "${nginx_user:-}" ] || sed -i "1i $nginx_user" "$dir/nginx.conf"
		if nginx -q -e "$dir/error.log" -p "$dir" -c "$dir/nginx.conf" 2>>"$dir/start.log"; then
			export SERVER_URL=https://127.0.0.1:$port/
			SERVER_DIR=$dir
			return 0
		fi
	done
	echo "nginx does not start; see $dir/start.log and error.log" >&2
	return 1
}

server_lighttpd_config() {
	local dir=$1 folder=$2 port=$3 tls=$4
	cat "$dir/server.pem" "$dir/server.key" >"$dir/both.pem"
	cat >"$dir/lighttpd.conf" <<-CONF
		server.document-root = "$folder"
		server.bind = "127.0.0.1"
		server.port = $port
		server.errorlog = "$dir/error.log"
		server.pid-file = "$dir/lighttpd.pid"
		server.modules = ("mod_accesslog"$([ "$tls" = plain ] || echo ', "mod_openssl"'))
		accesslog.filename = "$dir/range.log"
		accesslog.format = "%H %{remote}p %s %b \"%{Range}i\" %U"
	CONF
	[ "$tls" = plain ] || cat >>"$dir/lighttpd.conf" <<-CONF
		ssl.engine = "enable"
		ssl.pemfile = "$dir/both.pem"
	CONF
}

server_lighttpd() {
	local dir=$1 folder=$2 tls=${3:-tls} try port scheme=https
	mkdir -p "$dir"
	[ -e "$dir/ca.pem" ] || server_make_ca "$dir"
	[ "$tls" = tls ] || scheme=http
	for try in 1 2 3 4 5 6 7 8 9 10; do
		port=$((20000 + (RANDOM + try) % 30000))
		server_lighttpd_config "$dir" "$folder" "$port" "$tls"
		if lighttpd -f "$dir/lighttpd.conf" >>"$dir/start.log" 2>&1; then
			export SERVER_URL=$scheme://127.0.0.1:$port/
			SERVER_DIR=$dir
			return 0
		fi
	done
	echo "lighttpd does not start; see $dir/start.log and error.log" >&2
	return 1
}

server_stop() {
	local pid
	for pid in "${SERVER_DIR:-/nonexistent}"/nginx.pid "${SERVER_DIR:-/nonexistent}"/lighttpd.pid; do
		[ ! -e "$pid" ] || kill "$(cat "$pid")" 2>/dev/null || true
	done
	# lighttpd writes its log when it ends, and both remove their pid file then.
	for pid in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
		[ -e "${SERVER_DIR:-/nonexistent}/lighttpd.pid" ] || break
		sleep 0.1
	done
	SERVER_DIR=
}
