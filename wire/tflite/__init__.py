"""TFLite files as data: a bounds-checked flatbuffer reader and a model's structure, no library."""
