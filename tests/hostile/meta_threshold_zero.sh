#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Thresholds that would make an unsigned file a signed one (go-tuf GHSA-fphv-w9fq-2525).
# shellcheck source=tests/lib/hostile.sh
. "${PAWL_SOURCE:?}/tests/lib/hostile.sh"
hostile_begin

# forge_threshold ROLE VALUE: a well-signed next root in which the role has this threshold, and
# everything of that role without a signature.
forge_threshold() {
	forge <<-PY
		root = r.next_root()
		role = root.signed["roles"]["$1"]
		value = $2
		if value is None:
		    del role["threshold"]
		else:
		    role["threshold"] = value
		root.sign(r.owners("root"))
		r.put(root)
		if "$1" != "root":
		    f = r.load("$1")
		    r.save(f, by=[])
	PY
}

for value in 0 -1 None '"1"' True '[]' 1.0; do
	hostile_case
	forge_threshold targets "$value"
	code=E_META
	# A fraction is no JSON of ours at all.
	[ "$value" != 1.0 ] || code=E_JSON
	hostile_poll "threshold $value of targets" $code --word 2.root.json
done
for role in root timestamp snapshot; do
	hostile_case
	forge_threshold $role 0
	hostile_poll "threshold 0 of $role" E_META --word threshold
done

hostile_case
forge <<'PY'
f = r.load("targets")
f.signed["delegations"]["roles"][0]["threshold"] = 0
r.save(f)
r.save(r.load("releases"), by=[])
r.pack(os.path.join(r.workspace, "../2.pawl"), 2)
PY
hostile_bundle "threshold 0 of the delegated role" E_META --word threshold --time

# More than there are keys: nobody can sign for that role, and only for that role.
hostile_case
forge_threshold timestamp 2
forge <<'PY'
r.save(r.load("timestamp"))
PY
hostile_poll "threshold 2 with one key: the root stands, timestamp does not" E_SIG \
	--word timestamp.json --stored root.json,roots/2.root.json
# By root 2 nothing that is signed counts; root 3 repairs it in band.
forge <<'PY'
root = r.next_root()
root.signed["roles"]["timestamp"]["threshold"] = 1
root.sign(r.owners("root"))
r.put(root)
PY
hostile_take "the next root repairs it" 2 p poll --now

# The image's own root.
hostile_case
forge <<'PY'
f = r.load("root")
f.signed["roles"]["root"]["threshold"] = 0
f.doc["signatures"] = []
r.write("image-root.json", f.bytes)
PY
cp "$P/image-root.json" "$D/usr/share/pawl/root.json"
hostile_poll "threshold 0 in the image's root" E_TRUST --word threshold --word "pawl-repo init"
tap_end
