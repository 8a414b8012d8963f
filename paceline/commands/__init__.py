"""The commands of ``paceline``; one file each. Nothing here is imported before it is asked for."""
