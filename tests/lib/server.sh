# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# A real web server (Debian's nginx) on a free loopback port, over HTTPS with a CA of its own.
# Sourced by bash scripts; needs no root.

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
	local dir=$1 folder=$2 port=$3
	cat >"$dir/nginx.conf" <<-CONF
		pid $dir/nginx.pid;
		error_log $dir/error.log;
		worker_processes 1;
		events { worker_connections 64; }
		http {
			access_log $dir/access.log;
			client_body_temp_path $dir/tmp;
			proxy_temp_path $dir/tmp;
			fastcgi_temp_path $dir/tmp;
			uwsgi_temp_path $dir/tmp;
			scgi_temp_path $dir/tmp;
			server {
				listen 127.0.0.1:$port ssl;
				ssl_certificate $dir/server.pem;
				ssl_certificate_key $dir/server.key;
				root $folder;
			}
		}
	CONF
}

# server_start DIR FOLDER: serves FOLDER; sets SERVER_URL, SERVER_DIR. The log is DIR/access.log.
server_start() {
	local dir=$1 folder=$2 try port
	mkdir -p "$dir/tmp"
	[ -e "$dir/ca.pem" ] || server_make_ca "$dir"
	# nginx's worker drops root: it must be able to reach what it serves.
	[ "$(id -u)" -ne 0 ] || nginx_user="user root;"
	for try in 1 2 3 4 5 6 7 8 9 10; do
		port=$((20000 + (RANDOM + try) % 30000))
		server_config "$dir" "$folder" "$port"
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

server_stop() {
	if [ -n "${SERVER_DIR:-}" ] && [ -e "$SERVER_DIR/nginx.pid" ]; then
		kill "$(cat "$SERVER_DIR/nginx.pid")" 2>/dev/null || true
	fi
	SERVER_DIR=
}
