"""TFLite models for the Edge TPU: what maps to it, what fits its memory, and how it is compiled."""
