/* SPDX-License-Identifier: Apache-2.0 */
/* The objects of an image, tables first. */
#include "publisher/image_objects.h"

size_t image_objects(
	const struct plan_image *image, const struct plan_object *out[IMAGE_OBJECTS_MAX])
{
	size_t n = 0;

	out[n++] = &image->leaves;
	out[n++] = &image->pieces;
	for (size_t i = 0; i < image->leaves_from.count; i++)
		out[n++] = &image->leaves_from.from[i].object;
	for (size_t i = 0; i < image->index_from.count; i++)
		out[n++] = &image->index_from.from[i].object;
	if (image->has_delta) {
		out[n++] = &image->index;
		out[n++] = &image->frames;
	}
	for (size_t i = 0; i < image->patch_count; i++)
		out[n++] = &image->patches[i].table;
	out[n++] = &image->full;
	if (image->has_delta)
		out[n++] = &image->data;
	for (size_t i = 0; i < image->patch_count; i++)
		out[n++] = &image->patches[i].patch;
	return n;
}
