"""TFLite models: read, counted, and written as segments, by LiteRT's own schema of their files."""
