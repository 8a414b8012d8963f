"""What models take on devices, measured: records, where they are kept, and how they are made."""
