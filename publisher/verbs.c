/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of pawl-repo as one table; help and the man page are made from it. */
#include <stddef.h>

#include "publisher/publisher.h"
#include "publisher/release_options.h"

/* clang-format off */
static const struct verb_option program_options[] = {
	[PUBLISHER_REPO] = {"--repo", "DIR", "the workspace; default: the current folder"},
	[PUBLISHER_PRODUCT] = {"--product", "NAME", "another product than the workspace's"},
	[PUBLISHER_KEYS] = {"--keys", "DIR[:DIR…]", "key folders, searched in order, new keys go into the first; default: keys in the workspace"},
	[PUBLISHER_SIGN_WITH] = {"--sign-with", "COMMAND", "signs where a private key is not here; see docs/keys.md"},
	[PUBLISHER_PASSPHRASE_FILE] = {"--passphrase-file", "FILE", "passphrases of the keys, one a line; the first encrypts new keys"},
	[PUBLISHER_PASSPHRASE_FD] = {"--passphrase-fd", "N", "the same from an open descriptor"},
	[PUBLISHER_QUIET] = {"--quiet", NULL, "print errors and warnings only"},
	[PUBLISHER_HELP] = {"--help", NULL, "print help"},
	[PUBLISHER_VERSION] = {"--version", NULL, "print the version"},
	[PUBLISHER_OPTION_COUNT] = {NULL, NULL, NULL},
};

static const struct verb verbs[] = {
	{"init", "", "make keys and an empty signed repository",
		"Makes the workspace --repo: keys/ (three root keys of which two must sign, release, "
		"online; ECDSA P-256; encrypted when a passphrase is given), public/ with the first "
		"metadata, so that a device can poll at once, and root.json for the image.\n\n"
		"A key whose NAME.pub.pem is in the key folder already is taken as it is: that is how "
		"keys of an HSM come in.",
		publisher_init_options, cmd_init},
	{"allot", "", "give out the next release number, before the image is built",
		"Writes backstop.json, which belongs into the image of that release.",
		allot_options, cmd_allot},
	{"adopt", "", "record what devices in the field run already, as release 1",
		"For products that had another updater before.",
		adopt_options, cmd_adopt},
	{"release", "", "make a release from images, into staging/",
		"Cuts the images, writes the manifest and stages both. `publish` puts it out.",
		release_options, cmd_release},
	{"publish", "", "put all staged releases into public/",
		"Objects first, then manifests, then signed metadata, timestamp.json last, each durable "
		"before the next. Needs the release and the online key. After an interruption, run it "
		"again. A release whose number is not above the published one of its channel is "
		"refused. Copy public/ to a server in the same order: objects/, targets/, metadata/ "
		"without timestamp.json, then metadata/timestamp.json.",
		NULL, cmd_publish},
	{"refresh", "", "sign timestamp.json again; for cron",
		"Needs the online key only. The snapshot is signed again after half of its life.\n\n"
		"Exit status 16 (E_EXPIRED): everything was written, but root, targets or releases "
		"expire in less than 90 days; the message says what to do. Any other status but 0: "
		"nothing was published.",
		publisher_refresh_options, cmd_refresh},
	{"hold", "[PRODUCT] RELEASE", "stop a release for now, by the online key",
		"Devices do not install it, and do not reboot into it, while it is held.",
		NULL, cmd_hold},
	{"unhold", "[PRODUCT] RELEASE", "undo hold", NULL, NULL, cmd_unhold},
	{"cap", "[PRODUCT/]CHANNEL PERCENT", "limit the share of devices that get the newest release",
		"100 takes the limit away. It stays for later releases until then.",
		NULL, cmd_cap},
	{"withdraw", "[PRODUCT] RELEASE", "take a release back for good, by the release key",
		"Its manifest is listed as revoked in every channel of the product. Where it is a "
		"channel's newest, the channel offers nothing until a higher release is published.",
		NULL, cmd_withdraw},
	{"rotate", "root N|release|online", "replace a key by a new one",
		"Makes a new key (or takes --new-key), publishes a root that names it, signed by two "
		"old and two new root keys, and signs again what the old key had signed. Devices "
		"follow by themselves. The old files go to retired/ of the key folder. After an "
		"interruption, run it again.",
		publisher_rotate_options, cmd_rotate},
	{"revoke-key", "KEYID", "take a key out of the root by its keyid",
		"At least its first eight digits; `show` lists them. Refused where a role would keep "
		"fewer keys than its threshold: then --replace.",
		publisher_revoke_options, cmd_revoke_key},
	{"bundle", "RELEASE", "make a .pawl file of a published release",
		"For devices without a network, or for hawkBit. --from leaves out what devices have "
		"that run that release or a later one.",
		bundle_options, cmd_bundle},
	{"estimate", "OLD NEW", "tell what a device on OLD would fetch for NEW, and why",
		"OLD and NEW are numbers of releases, published or staged, or image files ([NAME=]FILE), "
		"which are cut into a temporary folder (TMPDIR) and not kept. Prints bytes, tables "
		"included, and requests for each way: copy (nothing changed), patch, delta (index and "
		"data) and full. The other slot of the device is taken as empty.",
		publisher_estimate_options, cmd_estimate},
	{"factory", "RELEASE", "write what the data partition of a new device should hold",
		"leaves/, cache/ and factory.json: with them in /var/lib/pawl of a device that is "
		"flashed with the release, its first update is a delta already. Nothing in them is "
		"secret or of one device.",
		publisher_factory_options, cmd_factory},
	{"verify", "", "check every signature, hash and file of public/",
		"Prints one line for each problem. Needs no private key.",
		NULL, cmd_verify},
	{"show", "", "print roles, keys, channels, holds and caps", NULL,
		publisher_show_options, cmd_show},
	{NULL, NULL, NULL, NULL, NULL, NULL},
};
/* clang-format on */

const struct verb_program publisher_program = {
	.name = "pawl-repo",
	.summary = "makes and publishes signed releases for Pawl devices",
	.description =
		"A workspace is a folder with keys, releases that wait, and public/, a repository of "
		"static files that any web server can serve. Its trust follows The Update Framework 1.0.",
	.options = program_options,
	.verbs = verbs,
};
