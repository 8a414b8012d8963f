"""What codecs do to a pipeline: to its outputs, and to the bytes on its edges."""
